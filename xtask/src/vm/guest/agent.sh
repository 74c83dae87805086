#!/bin/sh
# Runs what the test asks for, one request a line: NUMBER SCRIPT-IN-BASE64. Each is answered by
# NUMBER EXIT-CODE OUTPUT-IN-BASE64. Tells by itself when user space is up and when it goes down,
# each with the kernel's boot id and systemd's count of soft reboots.
set -u
exec 3<>/dev/virtio-ports/control
boot="$(cat /proc/sys/kernel/random/boot_id)+$(systemctl show -P SoftRebootsCount)"
trap 'echo "down $boot" >&3; exit 0' TERM
echo "up $boot" >&3
while read -r number script <&3; do
    output=$(echo "$script" | base64 -d | sh 2>&1)
    echo "$number $? $(printf %s "$output" | base64 -w 0)" >&3
done
