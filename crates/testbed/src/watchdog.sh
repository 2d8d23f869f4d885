# Runs command lines for a test process, one after another, each answered with its status. The write
# end of this shell's standard input is held by that process alone. So the input ends when the
# process does, even by SIGKILL; then the server and the directory are cleared away.

dir=$(mktemp -d "$1/remint-pg.XXXXXX") || { echo none; exit 1; }
server=

# Programs started from here inherit this; the answers must not kill the shell before it cleared up.
trap '' PIPE

start() {
  "$@" &
  server=$!
}

# `jobs` reaps a server that has ended, and from then on its process id may be another process's. So
# what counts is what the shell knows, and a server that is dead is forgotten. Only builtins run in
# here: nothing is reaped between this answer and a signal right behind it.
alive() {
  [ -n "$server" ] || return 1
  jobs -l >"$dir/jobs" 2>/dev/null
  while read -r job; do
    case "$job" in *" $server Running"*) return 0 ;; esac
  done <"$dir/jobs"
  server=
  return 1
}

signal() {
  alive && kill "-$1" "$server"
}

echo "$dir"
while IFS= read -r line; do
  { eval "$line"; } </dev/null >>"$dir/log" 2>&1
  echo $?
done

if signal QUIT; then
  tries=0
  while alive && [ $tries -lt 500 ]; do
    sleep 0.02
    tries=$((tries + 1))
  done
  signal KILL
fi

# A server that was killed leaves its lock file, which names the piece of System V shared memory that
# it leaves as well.
segment=$(sed -n 's/^ *[0-9]\{1,\}  *\([0-9]\{1,\}\) *$/\1/p' "$dir/data/postmaster.pid" 2>/dev/null)
if [ -n "$segment" ]; then ipcrm -m "$segment" 2>/dev/null; fi

tries=0
until rm -rf "$dir" 2>/dev/null || [ $tries -ge 50 ]; do
  sleep 0.02
  tries=$((tries + 1))
done
