#!/bin/sh
# Fails while user space is still the one that is to be restarted.
[ -e /var/lib/wants-restart ] || exit 0
[ "$(cat /var/lib/wants-restart)" != "$(systemctl show -P SoftRebootsCount)" ]
