# Sourced by the scripts beside it: where a local run keeps its locks, process ids and logs.
#
# A process of the run holds the lock of its file, NAME.lock, open as descriptor 9, for as long as it lives: containers and PID namespaces
# that share this directory see that too. NAME.pid holds the process id for signals. It is removed when the process is asked to end. Lock files stay.
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

command -v flock >/dev/null || fail "flock is missing: install util-linux."

# True when a process of that name runs and has not been asked to end.
alive() {
  [[ -e $state/$1.pid ]] && held "$1"
}

# True when a process of that name runs.
held() {
  local status=0
  [[ -e $state/$1.lock ]] || return 1
  flock --shared --nonblock "$state/$1.lock" true || status=$?
  ((status <= 1)) || fail "$state/$1.lock cannot be locked: check its permissions."
  ((status == 1))
}

# Signals the process of that name. Its process id may belong to another process here: the open lock file identifies it.
signal() {
  local name=$1 signal=$2 pid tenth
  pid=$(cat "$state/$name.pid")
  if [[ /proc/$pid/fd/9 -ef $state/$name.lock ]]; then
    kill "-$signal" "$pid" 2>/dev/null || true
    return
  fi
  # A process that is ending shows its files no more, and holds its lock for another moment.
  for ((tenth = 0; tenth < 20; tenth++)); do
    held "$name" || return 0
    sleep 0.1
  done
  fail "The $name runs, but not where this command can signal it: it belongs to another container, PID namespace or user. Run the command there."
}

field() {
  node -p 'JSON.parse(require("fs").readFileSync(process.argv[1]))[process.argv[2]]' "$state/coordinator.json" "$1"
}

# Starts the command after the name, in the background and in a session of its own. It inherits the lock; Node does not pass it on.
launch() {
  local name=$1
  shift
  exec 9>"$state/$name.lock"
  # A process that was asked to end may take a moment.
  flock --timeout 20 9 || fail "The $name of before has not ended: see $state/$name.log."
  setsid nohup "$@" </dev/null >>"$state/$name.log" 2>&1 &
  echo $! >"$state/$name.pid"
  exec 9>&-
}

# Workers that are alive, by number.
workers() {
  local file name
  for file in "$state"/worker-*.pid; do
    name=$(basename "$file" .pid)
    if alive "$name"; then echo "${name#worker-}"; fi
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

# Adds or takes away workers until there are that many. The newest worker leaves first, after its current lease.
scale_to() {
  local wanted=$1 number=0 running
  running=($(workers))
  while ((${#running[@]} > wanted)); do
    number=${running[-1]}
    signal "worker-$number" TERM
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
