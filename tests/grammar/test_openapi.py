"""The description of the HTTP API in OpenAPI 3.1."""

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from chatservice.entries import FileMark
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import jsonlines, openapi, webanswers, webapi
from chatservice.grammar.webfaults import NotFound
from chatservice.grammar.webfields import FORM, JSON, TEXT
from chatservice.grammar.webroutes import ROUTES
from tests.grammar.test_jsonlines import ANSWERS, RUNS
from tests.test_messages import OTHERS

DOCUMENT = openapi.document()
ROUTES_HERE = [row for row in ROUTES if not row.is_short]
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
by_operation = pytest.mark.parametrize(
    ("method", "path", "operation"), OPERATIONS, ids=lambda it: it if isinstance(it, str) else ""
)


def fits(name, value):
    """Return whether a value has the schema of that name."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return OAS31Validator(schema).is_valid(value)


def sample(schema):
    """Return a value of the schema of a field."""
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    if kind != "string":
        return {"integer": 7, "boolean": True}[kind]
    texts = (*schema.get("examples", ()), "7", "true", "10m", "0F" * 32, "a b&c=d%")
    return next(it for it in texts if OAS31Validator(schema).is_valid(it))


def test_it_is_openapi():
    """A validator of the specification finds nothing."""
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    assert json.loads(openapi.encoded()) == DOCUMENT


def test_every_route_of_the_api_is_described():
    """And nothing else; each operation has a name of its own."""
    described = {(method, path) for method, path, _ in OPERATIONS}
    assert described == {(row.method, row.path) for row in ROUTES_HERE}
    assert len({it["operationId"] for _, _, it in OPERATIONS}) == len(OPERATIONS)


@by_operation
def test_no_description_has_a_slash_command(method, path, operation):
    """Commands stand in quotation marks."""
    assert not OTHERS["web"].search(json.dumps(operation["summary"]))
    for it in operation["parameters"]:
        assert not OTHERS["web"].search(it.get("description", "")), it


@by_operation
def test_a_described_request_is_one(method, path, operation):
    """With all the fields that are described, in a query, a form and JSON."""
    parts, query = {}, {}
    for it in operation["parameters"]:
        if it.get("in") == "path":
            parts[it["name"]] = quote(str(sample(it["schema"])))
        elif "in" in it:
            query[it["name"]] = sample(it["schema"])
    target = f"{path.format(**parts)}?{urlencode(query)}".encode()
    asked = webapi.route(method, target)
    contents = operation.get("requestBody", {}).get("content", {})
    for media_type in {*contents} & {JSON, FORM}:
        schema = contents[media_type]["schema"]["properties"]
        fields = {name: sample(it) for name, it in schema.items()}
        body = json.dumps(fields) if media_type == JSON else urlencode(fields)
        request = asked.request(media_type, body.encode())
        assert {*fields} <= {*request.args}
    if TEXT in contents:
        assert "7" in asked.request(TEXT, b"7").args.values()
    if not contents and isinstance(asked, webapi.Call):
        assert {*query} <= {*asked.request().args}


@by_operation
def test_a_request_without_a_needed_field_is_refused(method, path, operation):
    """As the description says, and only then."""
    target = path.format(**dict.fromkeys(("room", "user", "name", "label"), "x"), position=7)
    content = operation.get("requestBody", {}).get("content", {}).get(JSON)
    needed = [*content["schema"]["required"]] if content else []
    needed += [
        it["name"]
        for it in operation["parameters"]
        if it.get("in") == "query" and it.get("required")
    ]
    try:
        asked = webapi.route(method, target.encode())
        if isinstance(asked, webapi.Call):
            asked.request(*((JSON, b"{}") if content else ()))
    except Refusal as refusal:
        assert refusal.code is Code.BAD_ARGUMENT
        assert needed
    else:
        assert not needed


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda it: type(it).__name__)
def test_replies_fit_their_schemas(answer):
    """Each sample of a reply, as the API encodes it."""
    assert fits(type(answer).__name__, json.loads(webanswers.reply(answer, JSON)))


def test_other_answers_do_not_fit():
    """A schema names what there must be."""
    assert not fits("Stored", {})
    assert not fits("Stored", {"seq": "7"})
    assert not fits("Entry", {"event": "message"})


@given(st.integers(1, 1 << 59), RUNS)
def test_entries_fit_their_schema(first, run):
    """Any entry, of a room or of the inbox."""
    for log in ("lab", "@"):
        for line in jsonlines.run(first, run, log).splitlines():
            assert fits("Entry", json.loads(line)), line


def test_problems_and_files_fit_their_schemas():
    """Refusals of every code, faults, and the answer to an upload."""
    for error in (*(Refusal(it, "No; `rooms`.") for it in Code), NotFound(Message("No."))):
        assert fits("Problem", webanswers.problem(error).fields)
    mark = FileMark("a", 5, "ab" * 32)
    assert fits("FileMark", json.loads(webanswers.shared(mark, "lab", JSON)))
