# A space for programs of containers: what they mount, leave and listen on ends with it. $1 is the
# folder where they work, $2 a registry that is to be found here. Tells its first process's number
# as the machine knows it, and lasts until its input ends.

read -r number _ </proc/self/stat
mount --make-rprivate /
mount --bind "$1" /mnt
for place in /run /dev/shm /var/lib /var/tmp /etc/containers; do
  mount -t tmpfs none "$place"
done
mount -t proc none /proc
# crun wants the one hierarchy, and a machine may have the old ones.
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up

echo "127.0.0.1 localhost $2" >/run/hosts
mount --bind /run/hosts /etc/hosts

# Whoever may not raise a limit can lower it, and AppArmor takes no orders from within a container.
cat >/etc/containers/containers.conf <<EOF
[containers]
cgroups = "disabled"
apparmor_profile = "unconfined"
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
EOF
cat >/etc/containers/storage.conf <<EOF
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
EOF
cat >/etc/containers/registries.conf <<EOF
[[registry]]
location = "$2"
insecure = true
EOF
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >/etc/containers/policy.json

cd /mnt
echo "$number"
# The first process of a space is asked to bury whatever died in it.
exec 3<&0
cat <&3 >/dev/null &
wait $!
