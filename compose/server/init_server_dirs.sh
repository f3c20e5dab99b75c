#!/usr/bin/env bash
# Makes the directories of one app on a server: init_server_dirs.sh [ENV_FILE]   (as root; again at any time)
#
# ENV_FILE (default: .env beside this script) names them. Nothing that is there is emptied, moved or overwritten; owner
# and mode of the directories themselves are put right.
set -euo pipefail
deploy_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
env_file=${1:-$deploy_dir/.env}

fail() { printf 'init_server_dirs: %s\n' "$*" >&2; exit 1; }
[[ -r $env_file ]] || fail "$env_file cannot be read: copy env.template to it and fill it in"
[[ $(id -u) == 0 ]] || fail "owners can be set by root only: run it with sudo"

value() { # NAME: its value in the file; the last one counts, as for compose
  sed -n "s/^$1=//p" "$env_file" | tail -n 1
}

make_directory() { # VARIABLE OWNER MODE [SUBDIRECTORY]
  local path
  path=$(value "$1")
  [[ -n $path ]] || fail "$1 is empty in $env_file"
  [[ $path == /* ]] || fail "$1=$path is not an absolute path: compose would take it from wherever it is run"
  path=${path%/}${4:+/$4}
  [[ ! -e $path || -d $path ]] || fail "$path exists and is no directory"
  mkdir -p -- "$path"
  chown "$2" -- "$path"
  chmod "$3" -- "$path"
  printf '%s %s %s\n' "$3" "$2" "$path"
}

observer=10001:10001
for part in '' scalp swing system universe symbols journal state dead_letters; do
  make_directory OBSERVER_HOST_DATA_DIR "$observer" 0750 "$part"
done
for part in '' system maintenance; do make_directory OBSERVER_HOST_LOG_DIR "$observer" 0750 "$part"; done
make_directory OBSERVER_HOST_CONFIG_DIR "$observer" 0750
for part in '' .kis_cache; do make_directory OBSERVER_HOST_SECRETS_DIR "$observer" 0700 "$part"; done

profiles=,$(value COMPOSE_PROFILES),
if [[ $profiles == *,postgres,* ]]; then
  # The database's own container gives it to its user at the first start.
  path=$(value OBSERVER_HOST_POSTGRES_DIR)
  [[ -d $path ]] || make_directory OBSERVER_HOST_POSTGRES_DIR 0:0 0700
fi
if [[ $profiles == *,monitoring,* ]]; then
  make_directory OBSERVER_HOST_PROMETHEUS_DIR 65534:65534 0750
  make_directory OBSERVER_HOST_ALERTMANAGER_DIR 65534:65534 0750
  make_directory OBSERVER_HOST_GRAFANA_DIR 472:472 0750
fi

mkdir -p -- "$deploy_dir/runtime/state" "$deploy_dir/backups/archives"
printf 'ready; settings of the process belong in %s/observer.env (mode 0600, owner %s)\n' \
  "$(value OBSERVER_HOST_SECRETS_DIR)" "$observer"
