package container

// Capabilities returns the usual set of a container with add and drop applied
// as a pod writes them: "NET_ADMIN" or "CAP_NET_ADMIN", "ALL".
func Capabilities(add, drop []string) ([]string, error) { return nil, nil }
