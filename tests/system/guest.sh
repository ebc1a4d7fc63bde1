systemctl is-system-running --wait
systemctl --failed
systemd-analyze
ip -br a; ip r; journalctl -b -p warning --no-pager | tail -20
uname -r
