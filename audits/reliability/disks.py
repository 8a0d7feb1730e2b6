"""Disks that fail during training: the script that mounts each, and the expected message."""

PAGE = 4
MOST_PAGES = 40
"""Free pages of 4 KiB on the disk that will be full. A checkpoint takes eight; the run still has
three to save, and a picture to draw, which takes twenty."""
MOUNTS = {
    "full": (
        "No space left on device",
        """
        run=$1 aside=$2
        cp -a "$run" "$aside" && mount -t tmpfs tmpfs "$run" && cp -a "$aside/." "$run" || exit 99
        used=$(df -k --output=used "$run" | tail -1)
        mount -o remount,size=$((used + $3))k tmpfs "$run" || exit 99
        shift 3; "$@"; status=$?
        rm -r "$aside" && cp -a "$run" "$aside" && exit $status
        """,
    ),
    "read-only": (
        "Read-only file system",
        """
        mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99
        shift 3; exec "$@"
        """,
    ),
}
"""The expected message, and a script that mounts a file system on the run's directory. Arguments:
that directory, one for a copy, the free KiB, and then those of the training."""
FAILURES = (*MOUNTS, "moved")
