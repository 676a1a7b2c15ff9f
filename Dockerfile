# ReFT Studio on port 7860, as a user without rights; for a server or a Hugging Face Docker Space.
FROM python:3.11-slim

# Options for pip, such as an index with CPU builds of torch for a much smaller image; see docs/hosting.md.
ARG PIP_OPTIONS=""

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# Spaces run containers as uid 1000.
RUN useradd --create-home --uid 1000 studio
WORKDIR /home/studio/app

# The dependencies first: they change less often than the program, and their layer is kept.
COPY --chown=studio pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir app reft_engine storage \
    && touch app/__init__.py reft_engine/__init__.py storage/__init__.py \
    && pip install ${PIP_OPTIONS} -c constraints.txt '.[app]' \
    && pip uninstall --yes reft-studio \
    && rm -rf app reft_engine storage build *.egg-info

COPY --chown=studio app app
COPY --chown=studio reft_engine reft_engine
COPY --chown=studio storage storage
RUN pip install --no-deps . && rm -rf app reft_engine storage build *.egg-info && chown studio .

USER studio
ENV REFT_STUDIO_HOST=0.0.0.0 \
    REFT_STUDIO_PORT=7860
EXPOSE 7860

# Who may come in has to be said, since others reach a container: add people with `reft-studio user add` in its /data, then
# `-e REFT_STUDIO_PEOPLE=team -e 'REFT_STUDIO_ALLOWED_HOSTS=["localhost"]'` with the names by which it is reached; see docs/hosting.md.
# Data lies under /data where that is mounted and writable, else in ./data.
HEALTHCHECK --interval=30s --start-period=60s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/healthz', timeout=5)"]
CMD ["reft-studio", "serve"]
