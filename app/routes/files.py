"""The routes of files that a person takes away, of runs and of datasets. Never imports torch."""

import shutil
from functools import partial

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse, PlainTextResponse
from starlette.background import BackgroundTask

from app.handlers import kept, predictions, runs, spec
from app.pages import report_html
from app.routes.answers import NOT_SHOWN, Answers
from app.services import Services

_AT_ONCE = 8
_PREDICTIONS = {"csv": "text/csv; charset=utf-8"}


def offer_files(app: FastAPI, services: Services) -> None:
    """Add the routes to an app."""
    answers = Answers(_AT_ONCE)

    @app.get("/files/runs/{run_id}/log.txt")
    async def log(run_id: str) -> Response:
        return await answers.give(lambda: PlainTextResponse(runs.log(services, run_id), headers=NOT_SHOWN), 404)

    @app.get("/files/runs/{run_id}/report.html")
    async def report(run_id: str) -> Response:
        return await answers.file(lambda: report_html.of_run(services, run_id), "text/html; charset=utf-8")

    @app.get("/files/runs/{run_id}/run.yaml")
    async def described(run_id: str) -> Response:
        return await answers.file(lambda: spec.of_run(services, run_id), "application/yaml")

    @app.get("/files/runs/{run_id}/adapter.zip")
    async def adapter(run_id: str) -> Response:
        return await answers.file(lambda: runs.adapter_zip(services, run_id), "application/zip")

    @app.get("/files/runs/{run_id}/predictions.{form}")
    async def predicted(run_id: str, form: str) -> Response:
        kind = _PREDICTIONS.get(form, "application/x-ndjson")
        return await answers.file(lambda: predictions.export(services, run_id, form), kind)

    @app.get("/files/datasets/{dataset_id}/{number}.{form}")
    async def dataset(dataset_id: str, number: int, form: str) -> Response:
        return await answers.give(partial(_dataset, services, dataset_id, number, form), 404)


def _dataset(services: Services, dataset_id: str, number: int, form: str) -> Response:
    """A version's file, whose copy on this disk goes once it is sent."""
    name, path = kept.export(services, dataset_id, number, form)
    gone = BackgroundTask(shutil.rmtree, path.parent, ignore_errors=True)
    return FileResponse(path, filename=name, media_type="application/octet-stream", headers=NOT_SHOWN, background=gone)
