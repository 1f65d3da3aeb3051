# The HTTP server with the light engine: ONNX Runtime, no TensorFlow.
#
#   docker build -t keras-colorizer:0.1.0 .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:8000:8000 keras-colorizer:0.1.0
# The Python that the constraints were made with.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
# No compiler: every package below has a wheel for this image.
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY colorizer colorizer
RUN /venv/bin/pip install --no-cache-dir --no-compile ".[light,serve]" -c constraints.txt

FROM python:3.11-slim-bookworm
RUN useradd --system --no-create-home --uid 10001 colorizer
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /tmp
EXPOSE 8000
# Asks for its own address in numbers, which every server of ours answers to.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "colorizer", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD []
