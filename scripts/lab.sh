#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lab.sh: a laboratory of network namespaces for pccbpf. `lab.sh help` describes it.
#
# Everything lives in namespaces called NAME-*, in /run/pccbpf-lab/NAME, and in processes whose
# ids are in /run/pccbpf-lab/NAME/pids; `down` removes exactly that. Nothing of the host is changed.
set -euo pipefail
export LC_ALL=C

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
RUN=/run/pccbpf-lab
LABTOOL=${LABTOOL:-$ROOT/build/labtool}

TCP_PORTS=7000-7015
UDP_PORTS=7000-7015
SINK_PORT=7100
HTTP_PORT=80
SERVERS=8

usage() {
	cat <<-'END'
	usage: lab.sh COMMAND [--name NAME] ...

	  up      build a lab and print its name
	            --isps N          1..64, default 3
	            --hosts N         LAN hosts, 1..64, default 2
	            --host-addrs K    0..150 more addresses on lan1: 192.168.77.100.., fd77::100..
	            --lan bridge|port router's LAN interface: br0 over one port per host, or lan0
	            --rp-filter 0|1|2 on the router, default 0
	            --no-defaults     the router has no default routes
	            --no-v6           IPv6 is disabled everywhere
	            --no-offload      no checksum or segmentation offload, GRO on (what XDP needs)
	  down    remove it (any number of times); --all removes every lab
	  env     print shell variables for eval: LAB RT INET BPFFS ...
	  list    names of the labs
	  exec    lab.sh exec [--name NAME] NS COMMAND...   NS: rt, lan1, isp2, inet
	  spawn   the same in the background; `down` ends it. Prints the process id
	  shell   [NS] an interactive shell, in the router by default
	  leaks   packets that each ISP dropped because their source is not its customer's:
	          lines "ispI IPV4 IPV6", then "total N"; --sources lists them, --reset clears them

	    lanK 192.168.77.10+K fd77::10+K --- br0 .1 [rt] wanI 198.18.I.2 2001:db8:I::2
	      --- [ispI] 198.18.I.1 2001:db8:I::1 --- [inet] 203.0.113.1..8 2001:db8:ffff::1..8
	      servers in inet: TCP and UDP 7000-7015, HTTP 80, UDP sink 7100 (see labtool --help)

	NAME may be left out when $LAB is set or only one lab exists.
	END
}

die() {
	echo "lab.sh: $*" >&2
	exit 1
}

usage_error() {
	echo "lab.sh: $* (see lab.sh help)" >&2
	exit 2
}

# number OPTION VALUE MIN MAX
number() {
	if ! [[ $2 =~ ^[0-9]{1,5}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
		usage_error "$1 '$2': not a number from $3 to $4"
	fi
}

check_name() {
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_-]{0,40}$ ]] || usage_error "--name '$1': letters, digits, - and _"
}

# in_ns NS COMMAND...: NS is the full name. Not `ip netns exec`: it remounts /sys and hides pins.
in_ns() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$ns" -- "$@"
}

# The lab that is meant: --name, else $LAB, else the only one there is.
pick_lab() {
	local labs
	[[ -z $name ]] && name=${LAB:-}
	if [[ -z $name ]]; then
		mapfile -t labs < <(list_labs)
		((${#labs[@]} == 1)) || usage_error "--name is missing: there are ${#labs[@]} labs"
		name=${labs[0]}
	fi
	check_name "$name"
}

need_lab() {
	pick_lab
	[[ -r $RUN/$name/env ]] || die "'$name': no such lab"
}

list_labs() {
	local d
	for d in "$RUN"/*/; do
		[[ -d $d ]] && basename "$d"
	done
	return 0
}

# ---------------------------------------------------------------- up

# All the namespaces of the lab, in order.
namespaces() {
	local i
	echo "$name-inet"
	echo "$name-rt"
	for ((i = 1; i <= isps; i++)); do echo "$name-isp$i"; done
	for ((i = 1; i <= hosts; i++)); do echo "$name-lan$i"; done
	[[ $lan == port ]] && ((hosts > 1)) && echo "$name-sw"
	return 0
}

make_namespaces() {
	local ns
	namespaces >"$dir/namespaces"
	while read -r ns; do
		[[ ! -e /run/netns/$ns ]] || die "'$ns': namespace exists"
	done <"$dir/namespaces"
	sed 's/^/netns add /' "$dir/namespaces" | ip -batch -
}

# The defaults that interfaces made later inherit; so this comes before the interfaces.
make_sysctls() {
	local ns rp v6=0
	$no_v6 && v6=1
	while read -r ns; do
		rp=0
		[[ $ns == "$name-rt" ]] && rp=$rp_filter
		in_ns "$ns" bash -es "$v6" "$rp" <<-'END'
		cd /proc/sys/net
		set_if_there() { [[ ! -w $1 ]] || echo "$2" >"$1" 2>/dev/null || :; }
		if [[ -d ipv6 ]]; then
			for c in all default; do
				echo "$1" >ipv6/conf/$c/disable_ipv6
				echo 0 >ipv6/conf/$c/accept_dad
				echo 0 >ipv6/conf/$c/accept_ra
				echo 0 >ipv6/conf/$c/router_solicitations
			done
			set_if_there ipv6/icmp/ratelimit 0
			set_if_there ipv6/route/max_size 1048576
		fi
		for c in all default; do echo "$2" >ipv4/conf/$c/rp_filter; done
		set_if_there ipv4/icmp_ratelimit 0
		set_if_there ipv4/ip_local_port_range '1025 65535'
		set_if_there ipv4/tcp_max_syn_backlog 65535
		set_if_there ipv4/tcp_tw_reuse 1
		set_if_there ipv4/tcp_max_tw_buckets 262144
		set_if_there core/somaxconn 65535
		END
	done <"$dir/namespaces"
}

# Both ends of a link are made where they belong, so no name ever appears on the host.
print_links() {
	local i
	for ((i = 1; i <= isps; i++)); do
		echo "link add wan$i netns $name-rt type veth peer name cust netns $name-isp$i"
		echo "link add core netns $name-isp$i type veth peer name isp$i netns $name-inet"
	done
	if [[ $lan == port ]]; then
		if ((hosts == 1)); then
			echo "link add lan0 netns $name-rt type veth peer name eth0 netns $name-lan1"
			return
		fi
		echo "link add lan0 netns $name-rt type veth peer name lan0 netns $name-sw"
		for ((i = 1; i <= hosts; i++)); do
			echo "link add lan$i netns $name-sw type veth peer name eth0 netns $name-lan$i"
		done
		return
	fi
	for ((i = 1; i <= hosts; i++)); do
		echo "link add lan$i netns $name-rt type veth peer name eth0 netns $name-lan$i"
	done
}

# v6 LINE: the line unless IPv6 is off.
v6() {
	$no_v6 || echo "$*"
}

print_bridge() {
	local i
	echo "link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0"
	for i in "$@"; do
		echo "link set $i master br0 up"
	done
	echo "link set br0 up"
}

print_router() {
	local i ports=()
	echo "link set lo up"
	if [[ $lan == bridge ]]; then
		for ((i = 1; i <= hosts; i++)); do ports+=("lan$i"); done
		print_bridge "${ports[@]}"
	else
		echo "link set lan0 up"
	fi
	echo "addr add 192.168.77.1/24 brd + dev $lan_if"
	v6 "addr add fd77::1/64 dev $lan_if nodad"
	for ((i = 1; i <= isps; i++)); do
		echo "link set wan$i up"
		echo "addr add 198.18.$i.2/24 brd + dev wan$i"
		v6 "addr add 2001:db8:$i::2/64 dev wan$i nodad"
	done
	$no_defaults && return
	for ((i = 1; i <= isps; i++)); do
		echo "route add default via 198.18.$i.1 dev wan$i metric $((i * 100))"
		v6 "route add default via 2001:db8:$i::1 dev wan$i metric $((i * 100))"
	done
}

print_isp() {
	local i=$1
	echo "link set lo up"
	echo "link set cust up"
	echo "link set core up"
	echo "addr add 198.18.$i.1/24 brd + dev cust"
	echo "addr add 10.100.$i.2/24 brd + dev core"
	echo "route add default via 10.100.$i.1 dev core"
	v6 "addr add 2001:db8:$i::1/64 dev cust nodad"
	v6 "addr add fd00:100:$i::2/64 dev core nodad"
	v6 "route add default via fd00:100:$i::1 dev core"
}

# BCP 38: what comes from the customer has the customer's source address, or is counted and dropped.
print_isp_nft() {
	local i=$1
	cat <<-END
	table inet lab {
		counter leaks4 { }
		counter leaks6 { }
		set sources4 { type ipv4_addr; size 1024; flags dynamic; }
		set sources6 { type ipv6_addr; size 1024; flags dynamic; }
		chain customer {
			type filter hook prerouting priority raw; policy accept;
			iifname "cust" ip saddr != 198.18.$i.0/24 jump spoofed4
			iifname "cust" ip6 saddr != { 2001:db8:$i::/64, fe80::/10, ::/128 } jump spoofed6
		}
		chain spoofed4 {
			counter name leaks4
			add @sources4 { ip saddr }
			drop
		}
		chain spoofed6 {
			counter name leaks6
			add @sources6 { ip6 saddr }
			drop
		}
	}
	END
}

print_inet() {
	local i
	echo "link set lo up"
	for ((i = 1; i <= SERVERS; i++)); do
		echo "addr add 203.0.113.$i/32 dev lo"
		v6 "addr add 2001:db8:ffff::$i/128 dev lo nodad"
	done
	for ((i = 1; i <= isps; i++)); do
		echo "link set isp$i up"
		echo "addr add 10.100.$i.1/24 brd + dev isp$i"
		echo "route add 198.18.$i.0/24 via 10.100.$i.2 dev isp$i"
		v6 "addr add fd00:100:$i::1/64 dev isp$i nodad"
		v6 "route add 2001:db8:$i::/64 via fd00:100:$i::2 dev isp$i"
	done
}

print_host() {
	local i=$1 k
	echo "link set lo up"
	echo "link set eth0 up"
	echo "addr add 192.168.77.$((10 + i))/24 brd + dev eth0"
	echo "route add default via 192.168.77.1 dev eth0"
	v6 "addr add fd77::$((10 + i))/64 dev eth0 nodad"
	v6 "route add default via fd77::1 dev eth0 src fd77::$((10 + i))"
	((i == 1)) || return 0
	for ((k = 0; k < host_addrs; k++)); do
		echo "addr add 192.168.77.$((100 + k))/24 brd + dev eth0"
		v6 "$(printf 'addr add fd77::%x/64 dev eth0 nodad' $((0x100 + k)))"
	done
}

forwarding_on() {
	in_ns "$1" bash -es <<-'END'
	echo 1 >/proc/sys/net/ipv4/ip_forward
	[[ ! -d /proc/sys/net/ipv6 ]] || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
	END
}

# no_offload NS IF...: packets look as on a wire of MTU-sized frames with complete checksums.
no_offload() {
	local ns=$1 i
	shift
	for i in "$@"; do
		in_ns "$ns" ethtool -K "$i" tx off tso off gso off gro on >/dev/null
	done
}

make_isp() {
	local ns=$name-isp$1
	forwarding_on "$ns"
	print_isp "$1" | in_ns "$ns" ip -batch -
	print_isp_nft "$1" | in_ns "$ns" nft -f -
	! $offload_off || no_offload "$ns" cust core
}

make_lan() {
	local i ports=(lan0)
	for ((i = 1; i <= hosts; i++)); do
		print_host "$i" | in_ns "$name-lan$i" ip -batch -
		! $offload_off || no_offload "$name-lan$i" eth0
	done
	[[ -e /run/netns/$name-sw ]] || return 0
	for ((i = 1; i <= hosts; i++)); do ports+=("lan$i"); done
	print_bridge "${ports[@]}" | in_ns "$name-sw" ip -batch -
	! $offload_off || no_offload "$name-sw" "${ports[@]}"
}

make_network() {
	local i ports
	print_links | ip -batch -
	forwarding_on "$name-rt"
	forwarding_on "$name-inet"
	print_router | in_ns "$name-rt" ip -batch -
	print_inet | in_ns "$name-inet" ip -batch -
	for ((i = 1; i <= isps; i++)); do make_isp "$i"; done
	make_lan
	$offload_off || return 0
	for ((i = 1; i <= isps; i++)); do
		no_offload "$name-rt" "wan$i"
		no_offload "$name-inet" "isp$i"
	done
	mapfile -t ports < <(in_ns "$name-rt" ip -o link show type veth | sed -n 's/^[0-9]*: \(lan[0-9]*\)@.*/\1/p')
	no_offload "$name-rt" "${ports[@]}"
}

# The start time of a process tells it from a later one with the same id.
process_start() {
	local stat fields
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	read -ra fields <<<"${stat##*) }"
	echo "${fields[19]}"
}

remember_process() {
	local pid=$1 start
	start=$(process_start "$pid") || return 0
	echo "$pid $start" >"$RUN/$name/pids/$pid"
}

start_servers() {
	local deadline=$((SECONDS + 10)) pid
	# Not in_ns: a function in the background is a shell, and its id would be remembered instead.
	nsenter --net="/run/netns/$name-inet" -- setsid "$LABTOOL" serve --tcp $TCP_PORTS --udp $UDP_PORTS --http $HTTP_PORT \
		--udp-sink $SINK_PORT --ready "$dir/servers.ready" \
		</dev/null >"$dir/servers.log" 2>&1 &
	pid=$!
	remember_process "$pid"
	until [[ -s $dir/servers.ready ]]; do
		kill -0 "$pid" 2>/dev/null || die "the servers did not start: $(<"$dir/servers.log")"
		((SECONDS < deadline)) || die "the servers are not ready after 10 s"
		sleep 0.02
	done
}

# list_of PREFIX FIRST LAST
list_of() {
	local i s=
	for ((i = $2; i <= $3; i++)); do s+=${s:+,}$1$i; done
	echo "$s"
}

print_env() {
	cat <<-END
	LAB=$name
	RT=$name-rt
	INET=$name-inet
	BPFFS=$dir/bpf
	PCCBPF_BPFFS=$dir/bpf/pccbpf
	LAB_DIR=$dir
	LAB_SH=$ROOT/scripts/lab.sh
	LABTOOL=$LABTOOL
	LAB_ISPS=$isps
	LAB_HOSTS=$hosts
	LAB_HOST_ADDRS=$host_addrs
	LAB_V6=$($no_v6 && echo 0 || echo 1)
	LAN_IF=$lan_if
	WANS=$(list_of wan 1 "$isps")
	SERVERS4=$(list_of 203.0.113. 1 $SERVERS)
	SERVERS6=$($no_v6 || list_of 2001:db8:ffff:: 1 $SERVERS)
	TCP_PORT=${TCP_PORTS%-*}
	TCP_PORTS=$TCP_PORTS
	UDP_PORT=${UDP_PORTS%-*}
	UDP_PORTS=$UDP_PORTS
	SINK_PORT=$SINK_PORT
	HTTP_PORT=$HTTP_PORT
	END
}

up_options() {
	while (($#)); do
		case $1 in
		--isps | --hosts | --host-addrs | --name | --lan | --rp-filter)
			(($# > 1)) || usage_error "$1: a value is missing"
			;;
		esac
		case $1 in
		--isps) number "$1" "$2" 1 64 && isps=$((10#$2)) && shift ;;
		--hosts) number "$1" "$2" 1 64 && hosts=$((10#$2)) && shift ;;
		--host-addrs) number "$1" "$2" 0 150 && host_addrs=$((10#$2)) && shift ;;
		--rp-filter) number "$1" "$2" 0 2 && rp_filter=$((10#$2)) && shift ;;
		--name) check_name "$2" && name=$2 && shift ;;
		--lan)
			[[ $2 == bridge || $2 == port ]] || usage_error "--lan '$2': neither bridge nor port"
			lan=$2
			shift
			;;
		--no-defaults) no_defaults=true ;;
		--no-v6) no_v6=true ;;
		--no-offload) offload_off=true ;;
		*) usage_error "'$1': no such option of up" ;;
		esac
		shift
	done
}

# Making the directory claims the name. Another lab's `down` may remove the empty parent meanwhile.
make_lab_dir() {
	local turn
	for ((turn = 0; turn < 20; turn++)); do
		mkdir -p "$RUN"
		mkdir "$dir" 2>/dev/null && return 0
		[[ ! -e $dir ]] || return 1
	done
	return 1
}

# A second signal must not cut the clean-up short.
up_failed() {
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	set +e
	remove_lab
	exit $((status ? status : 1))
}

cmd_up() {
	local isps=3 hosts=2 host_addrs=0 lan=bridge rp_filter=0 lan_if=br0
	local no_defaults=false no_v6=false offload_off=false
	up_options "$@"
	[[ -n $name ]] || name=pcc-$PPID-$$
	[[ $lan == bridge ]] || lan_if=lan0
	[[ -x $LABTOOL ]] || die "'$LABTOOL': not built (run make build/labtool)"
	((EUID == 0)) || die "namespaces need root"
	dir=$RUN/$name
	make_lab_dir || die "'$name': exists (lab.sh down --name $name removes it)"
	trap up_failed EXIT
	trap 'exit 130' INT TERM HUP
	mkdir "$dir/pids" "$dir/bpf"
	mount -t bpf bpf "$dir/bpf"
	make_namespaces
	make_sysctls
	make_network
	start_servers
	print_env >"$dir/env.new"
	mv "$dir/env.new" "$dir/env"
	trap - EXIT INT TERM HUP
	echo "$name"
}

# ---------------------------------------------------------------- down

# Ends the processes that are in the pid files, and only if they still are the same ones.
end_processes() {
	local dir=$RUN/$name file pid start sig turn left
	[[ -d $dir/pids ]] || return 0
	for sig in TERM KILL; do
		for ((turn = 0; turn < 50; turn++)); do
			left=0
			for file in "$dir"/pids/*; do
				[[ -s $file ]] || continue
				read -r pid start <"$file"
				if [[ $(process_start "$pid") == "$start" && $(process_state "$pid") != Z ]]; then
					((turn)) || kill -s $sig "$pid" 2>/dev/null || :
					left=1
				else
					rm -f "$file"
				fi
			done
			((left)) || return 0
			sleep 0.02
		done
	done
}

process_state() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	stat=${stat##*) }
	echo "${stat%% *}"
}

remove_lab() {
	local dir=$RUN/$name ns path suffix
	end_processes
	for path in "/run/netns/$name"-*; do
		ns=${path##*/}
		suffix=${ns#"$name"-}
		[[ -e $path && $suffix =~ ^(rt|inet|sw|isp[0-9]+|lan[0-9]+)$ ]] || continue
		echo "netns del $ns"
	done | ip -force -batch - || :
	while mountpoint -q "$dir/bpf"; do
		umount "$dir/bpf" 2>/dev/null || umount -l "$dir/bpf" || break
	done
	[[ ! -d $dir ]] || rm -rf --one-file-system "$dir"
	rmdir "$RUN" 2>/dev/null || :
}

cmd_down() {
	local labs
	if [[ ${1:-} == --all ]]; then
		mapfile -t labs < <(list_labs)
		for name in "${labs[@]}"; do remove_lab; done
		return
	fi
	(($# == 0)) || usage_error "'$1': no such option of down"
	if [[ -z $name && -z ${LAB:-} && -z $(list_labs) ]]; then
		return 0
	fi
	pick_lab
	remove_lab
}

# ---------------------------------------------------------------- the rest

cmd_env() {
	need_lab
	cat "$RUN/$name/env"
}

# full_ns SHORT
full_ns() {
	[[ -e /run/netns/$name-$1 ]] || die "'$1': no such namespace in lab $name"
	echo "$name-$1"
}

cmd_exec() {
	local ns
	need_lab
	(($# > 1)) || usage_error "exec: NS COMMAND is missing"
	ns=$(full_ns "$1")
	shift
	exec nsenter --net="/run/netns/$ns" -- "$@"
}

cmd_spawn() {
	local ns pid
	need_lab
	(($# > 1)) || usage_error "spawn: NS COMMAND is missing"
	ns=$(full_ns "$1")
	shift
	nsenter --net="/run/netns/$ns" -- setsid "$@" </dev/null >>"$RUN/$name/spawn.log" 2>&1 &
	pid=$!
	remember_process "$pid"
	echo "$pid"
}

cmd_shell() {
	local ns line
	need_lab
	ns=$(full_ns "${1:-rt}")
	while IFS= read -r line; do
		export "${line?}"
	done <"$RUN/$name/env"
	export PATH=$ROOT/build:$PATH PS1="[$ns] \\w# "
	exec nsenter --net="/run/netns/$ns" -- bash --norc -i
}

cmd_leaks() {
	local i ns n4 n6 total=0 isps
	need_lab
	isps=$(sed -n 's/^LAB_ISPS=//p' "$RUN/$name/env")
	for ((i = 1; i <= isps; i++)); do
		ns=$name-isp$i
		case ${1:-} in
		--reset)
			printf '%s\n' 'reset counters table inet lab' 'flush set inet lab sources4' \
				'flush set inet lab sources6' | in_ns "$ns" nft -f - >/dev/null
			continue
			;;
		--sources)
			in_ns "$ns" nft list table inet lab | tr -d '\n' | grep -o 'elements = {[^}]*}' |
				sed "s/elements = { *//; s/ *}//; s/,[[:space:]]*/\n/g" | sed "/./s/^/isp$i /" || :
			continue
			;;
		'') ;;
		*) usage_error "'$1': no such option of leaks" ;;
		esac
		read -r n4 n6 < <(in_ns "$ns" nft list counters table inet lab |
			awk '$1 == "packets" { printf "%s ", $2 } END { print "" }')
		echo "isp$i $n4 $n6"
		total=$((total + n4 + n6))
	done
	[[ -n ${1:-} ]] || echo "total $total"
}

main() {
	local command=${1:-} name='' dir=''
	[[ -n $command ]] || {
		usage >&2
		exit 2
	}
	shift
	if [[ $command != up && ${1:-} == --name ]]; then
		(($# > 1)) || usage_error "--name: a value is missing"
		name=$2
		shift 2
	fi
	case $command in
	up | down | env | exec | spawn | shell | leaks) "cmd_$command" "$@" ;;
	list) list_labs ;;
	help | --help | -h) usage ;;
	*) usage_error "'$command': no such command" ;;
	esac
}

main "$@"
