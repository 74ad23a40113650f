# Sourced by the scripts beside it: where a local run keeps its process ids and logs.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
state=${CONVOY_LOCAL_STATE:-$root/runs/.local}
convoy=(node --single-threaded-gc "$root/bin/convoy.mjs")

fail() {
  echo "✖ $1" >&2
  exit 2
}

# Sets `count` to a whole number from 0 to 256, or ends.
read_count() {
  [[ $1 =~ ^[0-9]{1,4}$ ]] && ((10#$1 <= 256)) || fail "The number of workers is \"$1\"; give a whole number from 0 to 256."
  count=$((10#$1))
}

# True when the process of a pid file is alive and ours: pids are used again.
alive() {
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) || return 1
  grep -q convoy.mjs "/proc/$pid/cmdline" 2>/dev/null
}

field() {
  node -p 'JSON.parse(require("fs").readFileSync(process.argv[1]))[process.argv[2]]' "$state/coordinator.json" "$1"
}

# Starts the command after the name, in the background and in a session of its own.
launch() {
  local name=$1
  shift
  setsid nohup "$@" </dev/null >>"$state/$name.log" 2>&1 &
  echo $! >"$state/$name.pid"
}

# Workers that are alive, by number.
workers() {
  local file name
  for file in "$state"/worker-*.pid; do
    name=$(basename "$file" .pid)
    if alive "$name"; then echo "${name#worker-}"; else rm -f "$file"; fi
  done | sort -n
}

# None where the workers shall compute on the CPU (they read CONVOY_DEVICE too).
gpu_count() {
  [[ ${CONVOY_DEVICE:-auto} == cpu ]] && echo 0 && return
  nvidia-smi -L 2>/dev/null | grep -c '^GPU ' || true
}

start_worker() {
  local gpus
  gpus=$(gpu_count)
  if ((gpus > 0)); then
    CUDA_VISIBLE_DEVICES=$(($1 % gpus)) launch "worker-$1" "${convoy[@]}" worker --join "$(field address)"
  else
    launch "worker-$1" "${convoy[@]}" worker --join "$(field address)"
  fi
}

# `1 worker`, `2 workers`.
counted() {
  if (($1 == 1)); then echo "1 worker"; else echo "$1 workers"; fi
}

# Adds or takes away workers until there are that many. The last to come is the first to go, after the work in hand.
scale_to() {
  local wanted=$1 number=0 running
  running=($(workers))
  while ((${#running[@]} > wanted)); do
    number=${running[-1]}
    kill -TERM "$(cat "$state/worker-$number.pid")" 2>/dev/null || true
    rm -f "$state/worker-$number.pid"
    unset 'running[-1]'
  done
  number=0
  while ((${#running[@]} < wanted)); do
    if ! alive "worker-$number"; then
      start_worker "$number"
      running+=("$number")
    fi
    number=$((number + 1))
  done
}
