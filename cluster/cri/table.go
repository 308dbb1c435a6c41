package cri

// podLabel is the label by which the kubelet asks for what a pod has.
const podLabel = "io.kubernetes.pod.uid"

// A table finds things by their id, and at once those of a pod: for each change
// of a pod the kubelet asks a dozen times what it has, and there may be thousands.
type table[T any] struct {
	byID  map[string]*T
	byPod map[string]map[string]*T
	pods  map[string]string // of each id
}

func newTable[T any]() table[T] {
	return table[T]{map[string]*T{}, map[string]map[string]*T{}, map[string]string{}}
}

// add puts in what a pod has.
func (t table[T]) add(pod, id string, thing *T) {
	t.byID[id], t.pods[id] = thing, pod
	if t.byPod[pod] == nil {
		t.byPod[pod] = map[string]*T{}
	}
	t.byPod[pod][id] = thing
}

func (t table[T]) remove(id string) {
	pod := t.pods[id]
	delete(t.byPod[pod], id)
	if len(t.byPod[pod]) == 0 {
		delete(t.byPod, pod)
	}
	delete(t.byID, id)
	delete(t.pods, id)
}

// among are those that a selector of labels may choose.
func (t table[T]) among(selector map[string]string) map[string]*T {
	if pod, ok := selector[podLabel]; ok {
		return t.byPod[pod]
	}
	return t.byID
}
