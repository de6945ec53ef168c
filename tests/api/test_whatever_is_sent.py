"""Whatever a program sends, the API does not break, and answers as its description says."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.test_gate import ENDPOINTS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def description(api, program):
    """The API as it describes itself."""
    schema = schemathesis.openapi.from_dict(program.get("/openapi.json").json())
    return {
        operation.definition.raw["operationId"]: operation
        for operation in (result.ok() for result in schema.get_all_operations())
    }


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("name", sorted(ENDPOINTS))
def test_nothing_that_is_sent_breaks_it(api, description, name, mode):
    """Good requests and bad ones: no 500, and every answer has its described form."""
    operation, headers = description[name], {"Authorization": f"Bearer {api.token()}"}

    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case):
        # Of the token's field the gate's own tests make sure.
        answer = case.call(base_url=api.url, headers=headers)
        case.validate_response(answer, checks=CHECKS)

    send()
