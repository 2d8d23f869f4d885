# A development server for the tests that `clients/run` and `browser/run` make of it. To be sourced, in the root of
# the project. Gives `fail`, `start_server`, and a directory `$dir`, which is gone with the server at the end.

# Like make, which passes it on: a command, perhaps with arguments.
read -ra cargo <<<"${CARGO:-cargo}"
target=${CARGO_TARGET_DIR:-target}
dir=$(mktemp -d)
server=""

stop_server() {
  [[ -n "$server" ]] || return 0
  kill "$server" 2>/dev/null || true
  for _ in {1..150}; do
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
}

finish() {
  local status=$?
  stop_server
  rm -rf "$dir"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "$0: $*" >&2
  exit 1
}

# Sets `url` once the server has printed everything that it prints. Its log is in `$dir/log`, its data in
# `$dir/data`.
start_server() {
  "${cargo[@]}" build --quiet -p remint || fail "the server does not build"
  # Settings of whoever runs this are not those that the tests expect.
  for name in $(compgen -e | grep '^REMINT_' || true); do unset "$name"; done
  "$target/debug/remint" serve --dev --listen 127.0.0.1:0 \
    --data-dir "$dir/data" >"$dir/printed" 2>"$dir/log" &
  server=$!
  for _ in {1..300}; do
    if grep -q '^Ctrl-C' "$dir/printed"; then
      url=$(sed -nE 's/^remint .* is ready at (https:[^ ]+) .*/\1/p' "$dir/printed")
      [[ -n "$url" ]] || fail "the server did not print where it listens"
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$dir/log" >&2
  fail "the server did not start"
}
