#!/usr/bin/env bash
# Puts a version in force on this server, or leaves the one that runs in force:
#   server_deploy.sh [options] TAG
#     --env-file FILE   variables of the app (default: .env beside this script)
#     --replace         stop the running container, then start the new one (default: hand over, seconds without data)
#     --no-pull         the image is here already
#     --expect-data     data must flow for success; --no-expect-data: they cannot (default: by the hour, 09:00-15:30 KST)
#   server_deploy.sh --rollback [options]     the tag in runtime/state/last_good_tag again
#
# pull -> start -> verify (runs, /ready, files on this host grow, mounts as in the file of variables) -> remember the tag
# -> archive the deploy directory. What fails to verify is replaced by the last good tag at once.
# Exit codes: 0 in force, 1 wrong use or nothing changed, 2 rolled back, 3 rolled back without success.
set -euo pipefail
deploy_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
env_file=$deploy_dir/.env method=hand-over pull=yes expect=auto rollback=no tag=''

say() { printf '%s %s\n' "$(TZ=Asia/Seoul date +%H:%M:%S)" "$*"; }
fail() { printf 'server_deploy: %s\n' "$*" >&2; exit 1; }

while (($#)); do
  case $1 in
    --env-file) env_file=$(realpath -- "${2:?a file must follow --env-file}"); shift ;;
    --replace) method=replace ;;
    --no-pull) pull=no ;;
    --expect-data) expect=yes ;;
    --no-expect-data) expect=no ;;
    --rollback) rollback=yes ;;
    -*) fail "unknown option $1; the first lines of this file list them" ;;
    *) [[ -z $tag ]] || fail "one tag, not two: $tag and $1"; tag=$1 ;;
  esac
  shift
done
[[ -r $env_file ]] || fail "$env_file cannot be read: copy env.template to it and fill it in"
cd -- "$deploy_dir"

value() { sed -n "s/^$1=//p" "$env_file" | tail -n 1; }
project=$(value COMPOSE_PROJECT_NAME)
project=${project:-observer}
state_dir=$deploy_dir/runtime/state/$project
mkdir -p -- "$state_dir" "$deploy_dir/backups/archives"
exec 9> "$state_dir/deploy.lock"
flock -n 9 || fail "another deployment of $project runs"

last_good=$(cat -- "$state_dir/last_good_tag" 2>/dev/null || true)
if [[ $rollback == yes ]]; then
  [[ -z $tag ]] || fail "--rollback takes no tag"
  tag=${last_good:?"server_deploy: no tag was ever good here"} pull=no
fi
[[ -n $tag ]] || fail "no tag given"
for name in DATA LOG CONFIG SECRETS; do
  path=$(value "OBSERVER_HOST_${name}_DIR")
  [[ $path == /* && -d $path ]] || fail "OBSERVER_HOST_${name}_DIR=$path is no directory here: run init_server_dirs.sh"
done
if [[ $expect == auto ]]; then
  # Base 10: 0900 is no octal number.
  weekday=$(TZ=Asia/Seoul date +%u) clock=$((10#$(TZ=Asia/Seoul date +%H%M)))
  expect=no
  if ((weekday <= 5 && clock >= 900 && clock < 1530)); then expect=yes; fi
fi

compose() { # TAG ARGUMENTS...
  local with=$1
  shift
  IMAGE_TAG=$with docker compose --env-file "$env_file" --file "$deploy_dir/docker-compose.yml" \
    --profile core --profile handover "$@" 9>&-
}
inspect() { docker inspect --format "$2" "$1" 2>/dev/null || true; }
is_running() { [[ $(inspect "$1" '{{.State.Running}} {{.State.Restarting}} {{.RestartCount}}') == 'true false 0' ]]; }

mounts_are_right() { # CONTAINER: what the file of variables says, and nothing besides
  local name=$1 wanted found
  wanted=$(printf '%s\n' "/app/config $(value OBSERVER_HOST_CONFIG_DIR) false" \
    "/app/data $(value OBSERVER_HOST_DATA_DIR) true" "/app/logs $(value OBSERVER_HOST_LOG_DIR) true" \
    "/app/secrets $(value OBSERVER_HOST_SECRETS_DIR) true" | sort)
  found=$(inspect "$name" '{{range .Mounts}}{{.Destination}} {{.Source}} {{.RW}}{{"\n"}}{{end}}' | sed '/^$/d' | sort)
  [[ $found == "$wanted" ]] && return
  say "mounts of $name are wrong:"
  diff <(printf '%s\n' "$wanted") <(printf '%s\n' "$found") | sed 's/^</  wanted/; s/^>/  found /' || true
  return 1
}

archive_bytes() { # what the collection has written on this host, read from the host
  du -sb -- "$(value OBSERVER_HOST_DATA_DIR)"/{journal/swing-*,journal/scalp-*} 2>/dev/null | awk '{s += $1} END {print s + 0}'
}

is_ready() { # PORT
  [[ $(curl --silent --max-time 3 --output /dev/null --write-out '%{http_code}' "http://127.0.0.1:$1/ready") == 200 ]]
}

verify() { # CONTAINER PORT SECONDS
  local name=$1 port=$2 until=$((SECONDS + $3)) before grown=0
  mounts_are_right "$name" || return 1
  until is_ready "$port"; do
    is_running "$name" || { say "$name does not stay up: $(docker logs --tail 1 "$name" 2>&1)"; return 1; }
    ((SECONDS < until)) || { say "$name is not ready: $(curl --silent --max-time 3 "http://127.0.0.1:$port/ready" || true)"; return 1; }
    sleep 0.5
  done
  [[ $expect == yes ]] || { say "$name is ready; whether data flow cannot be seen outside of trading hours"; return; }
  before=$(archive_bytes) until=$((SECONDS + 20))
  while ((SECONDS < until)); do
    sleep 1
    is_running "$name" || { say "$name does not stay up"; return 1; }
    (($(archive_bytes) > before)) && grown=$((grown + 1))
    ((grown < 3)) || { say "$name is ready, and its journals on this host grow"; return; }
    before=$(archive_bytes)
  done
  say "$name says it is ready, but nothing is written on this host: its word is not taken"
  return 1
}

warm() { # CONTAINER: waits for its turn, or has it already because nobody else runs
  local name=$1 until=$((SECONDS + 40))
  until docker exec "$name" test -e /run/observer/standby 2>/dev/null; do
    is_running "$name" || { say "$name does not stay up: $(docker logs --tail 1 "$name" 2>&1)"; return 1; }
    ((SECONDS < until)) || { say "$name does not become a standby"; return 1; }
    sleep 0.2
  done
}

http_port=$(value OBSERVER_HOST_HTTP_PORT)
standby_port=$(value OBSERVER_HOST_STANDBY_PORT)
drop_standby() { compose "$1" rm --stop --force standby > /dev/null 2>&1 || true; }

hand_over() { # TAG: two hand-overs, by way of the standby container; each is a moment without data
  local with=$1
  drop_standby "$with"
  compose "$with" up --detach --no-deps standby > /dev/null 2>&1 || { say "the standby cannot be started"; return 1; }
  warm "$project-standby" || { drop_standby "$with"; return 1; }
  say "standby with $with is warm; the running container hands over"
  touched=yes
  compose "$with" stop observer > /dev/null 2>&1
  verify "$project-standby" "${standby_port:-8001}" 45 || return 1
  compose "$with" up --detach --no-deps observer > /dev/null 2>&1 || return 1
  warm "$project" || return 1
  drop_standby "$with"
  verify "$project" "${http_port:-8000}" 45
}

replace() { # TAG
  touched=yes
  drop_standby "$1"
  compose "$1" up --detach --no-deps --force-recreate observer > /dev/null 2>&1 || { say "$1 cannot be started"; return 1; }
  verify "$project" "${http_port:-8000}" 45
}

report_gap() { # the longest time without an observation since the deployment began, as the archive has it
  say "time without data, by shard:"
  docker run --rm --network none --user 10001:10001 --volume "$(value OBSERVER_HOST_DATA_DIR):/app/data:ro" \
    --env OBSERVER_DATA_DIR=/app/data "$(inspect "$project" '{{.Config.Image}}')" \
    observerctl pauses --since "$begun" || say "it could not be measured"
}

remember() { # TAG
  printf '%s\n' "$1" > "$state_dir/last_good_tag.new"
  mv -- "$state_dir/last_good_tag.new" "$state_dir/last_good_tag"
  # Whoever runs compose by hand gets the same version.
  sed "s|^IMAGE_TAG=.*|IMAGE_TAG=$1|" "$env_file" > "$env_file.new"
  chmod --reference="$env_file" -- "$env_file.new"
  mv -- "$env_file.new" "$env_file"
}

begun=$(date -u +%Y-%m-%dT%H:%M:%SZ) touched=no
if [[ $pull == yes ]]; then
  say "pulling $tag"
  compose "$tag" pull --quiet observer || fail "$tag cannot be pulled; nothing was changed"
fi
is_running "$project" || method=replace
say "deploying $tag by $method; last good tag: ${last_good:-none}"

if { [[ $method == hand-over ]] && hand_over "$tag"; } || { [[ $method == replace ]] && replace "$tag"; }; then
  remember "$tag"
  archive=$deploy_dir/backups/archives/$project-$(date -u +%Y%m%d-%H%M%S)-$tag.tar.gz
  tar --create --gzip --file "$archive" --exclude=./backups --exclude=./runtime .
  find "$deploy_dir/backups/archives" -name "$project-*.tar.gz" | sort | head -n -20 | xargs --no-run-if-empty rm -f --
  if [[ $expect == yes ]]; then report_gap; fi
  say "in force: $tag; archive: $archive"
  exit 0
fi

if [[ $touched == no ]]; then
  say "NOT IN FORCE: $tag failed before the running version was touched; no data are missing"
  exit 2
fi
[[ -n $last_good ]] || { say "FAILED: $tag does not work and there is no last good tag to go back to"; exit 3; }
say "rolling back to $last_good"
if replace "$last_good"; then
  if [[ $expect == yes ]]; then report_gap; fi
  say "ROLLED BACK: $last_good is in force, $tag is not"
  exit 2
fi
say "FAILED: neither $tag nor $last_good works; look at docker logs $project"
exit 3
