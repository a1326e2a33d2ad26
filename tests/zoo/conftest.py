import pytest

from zoo.hub_server import Hub
from zoo.tiny import write_tiny


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of a small preset."""
    return write_tiny(tmp_path_factory.mktemp("presets") / "tiny")


@pytest.fixture(scope="session")
def tiny_2(tmp_path_factory):
    """The same with other weights and another threshold."""
    return write_tiny(tmp_path_factory.mktemp("presets") / "tiny", seed=1, threshold=0.6)


@pytest.fixture
def hub(monkeypatch):
    """A Hub on this machine, which HF_ENDPOINT names."""
    with Hub().serve() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield hub


@pytest.fixture
def commit(hub, tiny):
    """The commit of a preset on the Hub, on branch main of owner/tiny."""
    return hub.publish("owner/tiny", tiny)


@pytest.fixture
def cache(tmp_path):
    """Where downloads go, which is not there yet."""
    return tmp_path / "cache"
