"""The repository around the package: workflows and their make targets, versions, the sdist's contents, templates."""

import re
import runpy
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import braintumorseg

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


with (ROOT / "pyproject.toml").open("rb") as file:
    PYPROJECT = tomllib.load(file)


def jobs(workflow):
    return yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]


def targets(workflow):
    """The targets of the Makefile that a workflow's steps call."""
    lines = [
        line for job in jobs(workflow).values() for step in job["steps"] for line in step.get("run", "").splitlines()
    ]
    return {target for line in lines if line.startswith("make ") for target in line.split()[1:]}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_calls_targets_of_the_makefile(workflow):
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert targets(workflow) <= known
    assert targets(workflow)


def test_workflows_run_all_that_must_pass():
    """Each target that .ci/run makes, some workflow makes."""
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    local = re.findall(r"^(?: *nice )?make (?!install)([a-z-]+)", run, re.MULTILINE)
    assert set(local) == {"test", "test-jax", "test-torch", "lint", "docs"}
    parts = {"test-jax", "test-torch"}
    both = re.search(r"^test-backends: (.*?)  ##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(both[1].split()) == parts
    assert set(local) - parts | {"test-backends"} <= set.union(*map(targets, WORKFLOWS))


def test_uv_goes_by_the_configuration_of_pip():
    """So that `make install-all` installs what pip would: builds for CPUs from an index or a folder of one's own, say."""
    settings_of_uv = runpy.run_path(str(ROOT / ".ci" / "install.py"))["settings_of_uv"]
    listed = [
        ":env:.cert='/etc/own.crt'",
        ":env:.disable-pip-version-check='1'",
        "global.cert='/etc/others.crt'",
        r"global.extra-index-url='file:///a/simple\nfile:///b/simple'",
        "install.find-links='/wheels /more'",
    ]
    best = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    assert settings_of_uv("\n".join(listed)) == best | {
        "SSL_CERT_FILE": "/etc/own.crt",
        "UV_INDEX": "file:///a/simple file:///b/simple",
        "UV_FIND_LINKS": "/wheels,/more",
    }
    assert settings_of_uv("") == best


def test_workflows_test_the_pythons_that_the_package_states_on_each_system():
    classifiers = PYPROJECT["project"]["classifiers"]
    stated = {each.rpartition(" ")[2] for each in classifiers if re.search(r":: 3\.\d+$", each)}
    matrix = jobs(ROOT / ".github/workflows/test.yml")["test"]["strategy"]["matrix"]
    assert set(matrix["python"]) == stated
    assert set(matrix["os"]) == {"ubuntu-latest", "macos-latest", "windows-latest"}


def test_lowest_versions_are_those_that_the_package_allows():
    """The constraints of `make test-lowest` pin each package to its lower bound in pyproject.toml."""
    project = PYPROJECT["project"]
    extras = (extra for name in ("dicom", "export", "research") for extra in project["optional-dependencies"][name])
    allowed = [Requirement(line) for line in (*project["dependencies"], *extras)]
    bounds = {each.name: str(each.specifier).replace(">=", "==") for each in allowed}
    pinned = (ROOT / ".ci" / "constraints-lowest.txt").read_text(encoding="utf-8")
    constraints = [Requirement(line) for line in pinned.splitlines() if not line.startswith("#")]
    assert {each.name: str(each.specifier) for each in constraints} == bounds


def test_sdist_holds_all_that_is_tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tracked = {f"/{path.split('/')[0]}" for path in listed.splitlines()}
    included = PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    assert tracked - {"/pyproject.toml", "/.gitignore"} == set(included)  # these two, Hatchling adds


def test_changelog_has_a_section_for_the_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{Version(braintumorseg.__version__).base_version}]" in changelog


def test_dependabot_watches_packages_and_actions():
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert {each["package-ecosystem"] for each in updates} == {"pip", "github-actions"}


@pytest.mark.parametrize("template", [path for path in TEMPLATES if path.stem != "config"], ids=lambda path: path.stem)
def test_issue_template_has_what_github_asks_for(template):
    form = yaml.safe_load(template.read_text(encoding="utf-8"))
    assert form.keys() >= {"name", "description", "body"}
    asked = [element for element in form["body"] if element["type"] != "markdown"]
    assert asked
    assert all(element["attributes"]["label"] and element["id"] for element in asked)
