#!/bin/sh
# Drains: at once, or for as long as the test says.
echo "drain $(cat /proc/sys/kernel/random/boot_id)" >> /var/lib/witness
while [ -e /var/lib/slow-drain ]; do sleep 1; done
