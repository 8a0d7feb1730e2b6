"""Disks that fail under a training: what mounts each, and what the message must say."""

PAGE = 4
MOST_PAGES = 40
"""What may be free on the disk that will be full, in pages of 4 KiB. A checkpoint takes eight, and
the run still has three to save and a picture to draw, which takes twenty."""
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
"""What the message must say, and a script that makes the run's directory a file system of its own.
Its arguments: that directory, one to keep it in, KiB that are free; and then the training's."""
FAILURES = (*MOUNTS, "moved")
