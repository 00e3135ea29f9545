# projgan in a container, for a CPU or an NVIDIA GPU.
#
#   docker build --tag projgan .
#   docker build --tag projgan:cpu --build-arg TORCH_INDEX=ADDRESS .
#
# PyTorch as pip finds it runs on a CPU and, on x86-64 Linux, on NVIDIA GPUs as well: several GB of CUDA
# libraries come along. ADDRESS is an index of builds for CPUs alone, or for another CUDA; PyTorch's
# installation page has them. How to run it: docs/clusters.md.

FROM python:3.12-slim

ARG TORCH_INDEX=""
ARG EXTRAS=""
ARG USER_ID=1000

# Layers in the order in which they change: PyTorch first, then what pyproject.toml asks for, then the source.
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.6" "torchvision>=0.21"
COPY pyproject.toml README.md LICENSE NOTICE /build/
COPY src /build/src
RUN pip install --no-cache-dir "/build${EXTRAS:+[$EXTRAS]}" && rm -rf /build

# Whoever breaks out of a picture decoder should not be root. Mounted folders must belong to USER_ID.
RUN useradd --uid "$USER_ID" --create-home projgan \
    && mkdir -p /work/runs /work/cache \
    && chown -R projgan /work
USER projgan
WORKDIR /work
ENV PROJGAN_CACHE=/work/cache
VOLUME ["/work/runs", "/work/cache"]

# On `docker stop` a training finishes its step and saves; give it time with --stop-timeout.
STOPSIGNAL SIGTERM
ENTRYPOINT ["projgan"]
CMD ["--help"]
