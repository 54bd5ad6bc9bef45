# docker build -t a3dgen . && docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/work" a3dgen build --config demo
FROM python:3.12-slim-bookworm

WORKDIR /opt/source
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps -r requirements.lock
COPY . .
# The networks of the default detector are part of the image. Compiled kernels go to a private temporary folder; keep
# them with -v "$HOME/.cache/a3dgen:/cache" -e A3DGEN_HOME=/cache.
RUN pip install --no-cache-dir --no-deps . \
    && pip check \
    && A3DGEN_HOME=/usr/local/share/a3dgen a3dgen networks \
    && chmod -R a+rX /usr/local/share/a3dgen

WORKDIR /work
ENTRYPOINT ["a3dgen"]
CMD ["--help"]
