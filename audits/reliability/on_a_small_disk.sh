# Runs a command while a small file system is mounted on the run's directory.
# Arguments: that directory, one for a copy, the free KiB, and the command.

run=$1 aside=$2
cp -a "$run" "$aside" && mount -t tmpfs tmpfs "$run" && cp -a "$aside/." "$run" || exit 99
used=$(df -k --output=used "$run" | tail -1)
mount -o remount,size=$((used + $3))k tmpfs "$run" || exit 99
shift 3; "$@"; status=$?
rm -r "$aside" && cp -a "$run" "$aside" && exit $status
