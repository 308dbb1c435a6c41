package v1

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// setPolicyDefaults fills in what a run policy leaves open.
func setPolicyDefaults(p *RunPolicy) {
	if p.CleanPodPolicy == nil || *p.CleanPodPolicy == "" || *p.CleanPodPolicy == CleanPodUndefined {
		none := CleanPodNone
		p.CleanPodPolicy = &none
	}
}

// setReplicaDefaults fills in what a replica spec leaves open.
func setReplicaDefaults(s *ReplicaSpec, restart RestartPolicy, container, portName string, port int32) {
	if s.Replicas == nil {
		one := int32(1)
		s.Replicas = &one
	}
	if s.RestartPolicy == "" {
		s.RestartPolicy = restart
	}
	if portName != "" {
		setPortDefault(s.Template.Spec.Containers, container, portName, port)
	}
}

// setPortDefault gives the named container, or the first if none has the name,
// the port its peers call it on.
func setPortDefault(containers []corev1.Container, name, portName string, port int32) {
	if len(containers) == 0 {
		return
	}
	at := 0
	for i, c := range containers {
		if c.Name == name {
			at = i
			break
		}
	}
	for _, p := range containers[at].Ports {
		if p.Name == portName {
			return
		}
	}
	containers[at].Ports = append(containers[at].Ports, corev1.ContainerPort{
		Name: portName, ContainerPort: port, Protocol: corev1.ProtocolTCP,
	})
}

// properCase puts replicas whose type is written in another case, as worker,
// under the type's own name. If both are there, neither is touched: validation
// speaks of it.
func properCase(replicas map[ReplicaType]*ReplicaSpec, types ...ReplicaType) {
	for written, spec := range replicas {
		for _, t := range types {
			if written == t || !strings.EqualFold(string(written), string(t)) {
				continue
			}
			if _, both := replicas[t]; !both {
				delete(replicas, written)
				replicas[t] = spec
			}
		}
	}
}
