#!/bin/bash
# Opens a shell, or runs a command, on a router in a throw-away network: nothing of it reaches the machine, and all of it is gone with the shell.
#
#   client 10.0.0.2 ─┐
#                    ├─ 10.0.0.1 lan [you are here] wan 192.0.2.1 ── 192.0.2.2 outside
#   web    10.0.0.3 ─┘
#
# `client COMMAND`, `web COMMAND` and `outside COMMAND` run a command there. `ask ADDRESS [PORT]` opens a connection and prints the answer: every
# host tells on port 80 who it is and whom it sees. All but the outside send by the router what is not for their own network.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

if [ -z "${FYKE_GUIDE:-}" ]; then
    user=()
    [ "$(id -u)" -eq 0 ] || user=(--user --map-root-user)
    # Root gets a part of the tree of control groups, too.
    groups=$(awk '/ - cgroup2 / { print $5 }' /proc/self/mountinfo | tail -n 1)/fyke-guide-$$
    if [ "$(id -u)" -eq 0 ] && mkdir "$groups" 2>/dev/null; then
        leave() { until find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null; do sleep 0.1; done }
        trap leave EXIT
        code=0
        FYKE_GUIDE=$groups sh -c 'echo $$ > "$FYKE_GUIDE/cgroup.procs"; exec unshare --cgroup --net --mount "$@"' sh "$0" "$@" || code=$?
        exit $code
    fi
    FYKE_GUIDE=inside exec unshare "${user[@]}" --net --mount "$0" "$@"
fi
if [ "$FYKE_GUIDE" != inside ]; then
    umount "${FYKE_GUIDE%/*}"
    mount -t cgroup2 none "${FYKE_GUIDE%/*}"
fi
unset FYKE_GUIDE

# Here lie the journal of fyke, the lock of iptables and the names of ip-netns(8); what the machine remembers of its own runs is hidden.
mount -t tmpfs run /run
[ ! -d /var/lib/fyke ] || mount -t tmpfs fyke /var/lib/fyke

for host in client web outside; do
    ip netns add "$host"
    ip -n "$host" link set lo up
done
ip -batch - <<'WIRES'
link set lo up
link add lan type bridge
link add client type veth peer name eth0 netns client
link add web type veth peer name eth0 netns web
link add wan type veth peer name eth0 netns outside
link set client master lan
link set web master lan
link set client up
link set web up
link set lan up
link set wan up
address add 10.0.0.1/24 dev lan
address add 192.0.2.1/24 dev wan
WIRES
# host, address, router
while read -r host address router; do
    ip -n "$host" address add "$address" dev eth0
    ip -n "$host" link set eth0 up
    [ -z "$router" ] || ip -n "$host" route add default via "$router"
done <<'HOSTS'
client  10.0.0.2/24   10.0.0.1
web     10.0.0.3/24   10.0.0.1
outside 192.0.2.2/24
HOSTS
# A new network takes these from the machine: it may be a router itself, and let iptables see what its bridges pass on.
for switch in ipv4/ip_forward bridge/bridge-nf-call-iptables; do
    [ ! -e /proc/sys/net/$switch ] || echo 0 > /proc/sys/net/$switch
done

client() { ip netns exec client bash -c '"$@"' - "$@"; }
web() { ip netns exec web bash -c '"$@"' - "$@"; }
outside() { ip netns exec outside bash -c '"$@"' - "$@"; }
ask() {
    local answer code=0
    answer=$(timeout 2 bash -c "cat < /dev/tcp/$1/${2:-80}" 2>&1) || code=$?
    case $code in
        0) echo "$answer" ;;
        124) echo "no answer" ;;
        *) echo "${answer##*: }" ;;
    esac
}
export -f client web outside ask

listen='use IO::Socket::INET;
    my $listener = IO::Socket::INET->new(LocalPort => 80, Listen => 64, ReuseAddr => 1) or die "port 80: $!";
    while (my $asker = $listener->accept) { print $asker "this is $ARGV[0], you are ", $asker->peerhost, "\n"; close $asker }'
trap 'kill $(jobs -p)' EXIT
perl -e "$listen" router < /dev/null &
for host in client web outside; do
    ip netns exec "$host" perl -e "$listen" "$host" < /dev/null &
done
for host in "" client web outside; do
    until [ "$($host ask 127.0.0.1)" != "Connection refused" ]; do sleep 0.1; done
done

if [ $# -gt 0 ]; then "$@"; else bash --norc; fi
