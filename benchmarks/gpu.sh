#!/usr/bin/env bash
# Everything that is worth knowing about a GPU, in one command of under ten minutes:
#
#   benchmarks/gpu.sh [FOLDER]        (default: gpu-benchmark; it must not exist)
#
# The step of few-shot-256 at batch 64 against the reference's step, and compiled against eager; the
# sweep over resolution and batch; a short training on drawn pictures with its grid. Each part that
# fails is said and does not stop the others; the exit code is then 1.
#
#   DEVICE   cuda by default; cpu tries the script out
#   MINUTES  of training, 2.5 by default
#   TINY     1: small networks and few steps, to try the script out
#   PYTHON   an interpreter that has projgan

set -uo pipefail

out=${1:-gpu-benchmark}
device=${DEVICE:-cuda}
minutes=${MINUTES:-2.5}
python=${PYTHON:-python}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [[ -e $out ]]; then
    echo "$out exists already; name another folder" >&2
    exit 2
fi
if ! "$python" -c 'import sys, torch; torch.empty(1, device=sys.argv[1])' "$device" 2>/dev/null; then
    echo "device $device cannot be used (or $python has no projgan); DEVICE=cpu TINY=1 tries the script out" >&2
    exit 5
fi
mkdir -p "$out"

common=(--device "$device")
step=(--preset few-shot-256 --batch 64)
sweep=(--tables "resolution,batch" --seconds 3 --most-s 5)
images=20k
if [[ ${TINY:-0} == 1 ]]; then
    small=(--set generator.width=8 --set generator.z_dim=16 --set features.input_size=128
        --set heads.kind=separable --resolution 32)
    step=(--preset few-shot-256 --batch 2 --repeats 1 "${small[@]}")
    # With a penalty, the generator alone is compiled: lite0 takes a CPU's compiler minutes.
    compiled=(--preset few-shot-256 --batch 2 --repeats 1 --resolution 32 --set generator.width=8
        --set generator.z_dim=16 --discriminator stylegan2 --set discriminator.width=4)
    sweep=(--tables "resolution" --seconds 0.1 --tiny)
    minutes=0.05
    images=16
else
    small=()
    compiled=("${step[@]}")
    sweep+=(--precision bf16)
fi

failed=0
# part NAME COMMAND ...: its output goes to NAME.txt as well as to the screen.
part() {
    local name=$1
    shift
    echo "== $name: $*"
    if ! "$@" 2>&1 | tee "$out/$name.txt"; then
        echo "== $name FAILED" | tee -a "$out/$name.txt"
        failed=1
    fi
}

projgan=("$python" -m projgan)
started=$SECONDS
part machine "${projgan[@]}" doctor --seconds 5 "${common[@]}"
part against-reference "${projgan[@]}" bench "${step[@]}" "${common[@]}" --warm-up 2 \
    --against reference-step --out "$out/against-reference"
if "${projgan[@]}" presets few-shot-256 | grep -qE '^ +compile:'; then
    part compiled "${projgan[@]}" bench "${compiled[@]}" "${common[@]}" --warm-up 3 --only step,memory \
        --set training.compile=on --against training.compile=off --out "$out/compiled"
else
    echo "== compiled: this projgan has no setting training.compile" | tee "$out/compiled.txt"
fi
part sweep "$python" "$here/sweep.py" "${common[@]}" "${sweep[@]}" --out "$out/sweep"
part pictures "$python" -c 'import sys; from pathlib import Path
from projgan.data.drawn import write_drawn_set
write_drawn_set(Path(sys.argv[1]), count=int(sys.argv[2]), size=int(sys.argv[3]))' \
    "$out/drawn" "$([[ ${TINY:-0} == 1 ]] && echo 16 || echo 600)" \
    "$([[ ${TINY:-0} == 1 ]] && echo 32 || echo 256)"
part train "${projgan[@]}" train "$out/drawn" --preset few-shot-256 --out "$out/run" \
    "${common[@]}" "${small[@]}" --minutes "$minutes" --set training.images=10m \
    --set training.sample_every="$images" --set training.snapshot_every="$images" \
    --set metrics.every=0
part grid "${projgan[@]}" sample "$out/run" --seeds 0-35 --grid --out "$out/grid.png" "${common[@]}"
echo "== done in $((SECONDS - started)) s: $out"
exit "$failed"
