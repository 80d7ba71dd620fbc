#!/bin/sh
# Makes deploy/.env: env.example with a random value for each name that has none. An .env that is there is left as it is,
# because databases and brokers remember the passwords that they were made with.
set -eu

folder=$(dirname "$0")
file="$folder/../.env"
if [ -e "$file" ]; then
  echo "$file is there already; to begin anew, take away the volumes, too: docker compose -f deploy/compose.yaml down -v" >&2
  exit 1
fi

# 24 bytes in hexadecimal digits, which need no quotes in an address, in YAML or in JSON.
random() {
  od -An -N 24 -tx1 /dev/urandom | tr -d ' \n'
}

umask 077
# Under its name only when it is whole.
while IFS= read -r line; do
  case "$line" in
    '#'*) printf '%s\n' "$line" ;;
    *=) printf '%s%s\n' "$line" "$(random)" ;;
    *) printf '%s\n' "$line" ;;
  esac
done <"$folder/env.example" >"$file.partial"
mv "$file.partial" "$file"
