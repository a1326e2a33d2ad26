"""What GitHub reads: workflows that call make targets that there are, on the Pythons that the package states; templates."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def commands(workflow):
    """What a workflow's steps run, line by line."""
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [line for job in jobs for step in job["steps"] for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_calls_targets_of_the_makefile(workflow):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = [target for line in commands(workflow) if line.startswith("make ") for target in line.split()[1:]]
    assert set(called) <= targets
    assert called


def test_workflows_run_all_that_must_pass():
    """What .ci/run calls, some workflow calls."""
    called = {line for workflow in WORKFLOWS for line in commands(workflow)}
    local = re.findall(r"^make (?!install).*$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert set(local) <= called
    assert local


def test_workflows_test_the_pythons_that_the_package_states():
    with (ROOT / "pyproject.toml").open("rb") as file:
        classifiers = tomllib.load(file)["project"]["classifiers"]
    stated = {each.rpartition(" ")[2] for each in classifiers if re.search(r":: 3\.\d+$", each)}
    matrix = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    assert set(matrix["python"]) == stated


@pytest.mark.parametrize("template", [path for path in TEMPLATES if path.stem != "config"], ids=lambda path: path.stem)
def test_issue_template_has_what_github_asks_for(template):
    form = yaml.safe_load(template.read_text())
    assert form.keys() >= {"name", "description", "body"}
    asked = [element for element in form["body"] if element["type"] != "markdown"]
    assert asked
    assert all(element["attributes"]["label"] and element["id"] for element in asked)
