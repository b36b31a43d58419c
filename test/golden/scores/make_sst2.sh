#!/bin/sh
# Writes sst2.json next to this file: what 24 runs of one method, which differ in the seed alone, predict for the 872 development
# sentences of SST-2. Usage, from the repository's root after `npm run build`: sh test/golden/scores/make_sst2.sh FOLDER_OF_SST2 OUTPUT
set -e
here=$(dirname "$0")
node bin/bidora.js compare --model sentence-transformers/all-MiniLM-L6-v2 --task glue/sst2 --data "$1" --methods lora \
  --seeds 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23 \
  --max-steps 150 --batch-size 16 --learning-rate 5e-3 --max-length 48 --output "$2"
node "$here/collect.mjs" "$2" > "$here/sst2.json"
