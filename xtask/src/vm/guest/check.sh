#!/bin/sh
# The check after a reboot: fails for as long as the test says.
boot=$(cat /proc/sys/kernel/random/boot_id)
if [ -e /var/lib/sick ]; then
    echo "sick $boot" >> /var/lib/witness
    echo "the application is sick"
    exit 1
fi
echo "check $boot" >> /var/lib/witness
