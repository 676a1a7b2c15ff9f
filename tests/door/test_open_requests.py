"""How many requests a person has open, over the real server."""

from contextlib import ExitStack

import pytest

from tests.waiting import until

pytestmark = pytest.mark.process


def test_twenty_tabs_are_fine_and_a_flood_of_streams_is_refused_for_one_person_alone(ada, bob):
    with ExitStack() as stack:
        for number in range(20):
            for path in (f"/gradio_api/heartbeat/tab{number}", f"/gradio_api/heartbeat/of-tab{number}"):
                assert stack.enter_context(ada.stream("GET", path)).status_code == 200
        assert ada.get("/alive").status_code == 200
        statuses = [stack.enter_context(ada.stream("GET", f"/gradio_api/heartbeat/more{number}")).status_code for number in range(12)]
        assert set(statuses) == {200, 429}
        answer = ada.get("/follow/ended", params={"cursor": -1})
        assert answer.status_code == 429
        assert "50 requests open at once" in answer.json()["error"]
        assert bob.get("/follow/ended", params={"cursor": -1}).status_code == 200
    until(lambda: ada.get("/follow/ended", params={"cursor": -1}).status_code == 200, "the streams to end")
