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

# `jobs` lets a shell that reaps its children late take notice of one that has ended.
alive() {
  [ -n "$server" ] && jobs >/dev/null 2>&1 && kill -0 "$server" 2>/dev/null
}

echo "$dir"
while IFS= read -r line; do
  { eval "$line"; } </dev/null >>"$dir/log" 2>&1
  echo $?
done

if alive; then
  kill -QUIT "$server"
  tries=0
  while alive && [ $tries -lt 500 ]; do
    sleep 0.02
    tries=$((tries + 1))
  done
  if alive; then kill -KILL "$server"; fi
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
