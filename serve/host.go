package serve

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// AllowsHost reports whether a request with this Host header is answered: see [HandlerOptions.AllowedHosts]. A page that has its
// own name resolve to this machine (DNS rebinding) is, for the browser, on the same site as the API; its name gives it away.
func (h *Handler) AllowsHost(host string) bool {
	if len(h.o.AllowedHosts) == 0 || host == "" { // which no browser sends
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	return slices.ContainsFunc(h.o.AllowedHosts, func(name string) bool { return strings.EqualFold(name, host) })
}
