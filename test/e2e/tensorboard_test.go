package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// A pod writes event files to a claim, by TensorBoard's own writer, and the real
// TensorBoard shows them at the front door, while the pod still holds the claim.
func TestTensorboardOfAClaim(t *testing.T) {
	s := begin(t)
	s.apply(`apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: runs}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: writer
  labels: {weir-ml.github.io/packages: "true"}
  annotations: {weir-ml.github.io/packages: "tensorboard\nboto3"}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: python:3.11
    command:
    - python3
    - -c
    - |
      import time
      from tensorboard.compat.proto.event_pb2 import Event
      from tensorboard.compat.proto.summary_pb2 import Summary
      from tensorboard.summary.writer.event_file_writer import EventFileWriter
      writer = EventFileWriter('/runs/digits/train')
      for step in range(3):
          value = Summary.Value(tag='loss', simple_value=1 / (step + 1))
          writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=[value])))
      writer.flush()
      print('written', flush=True)
      time.sleep(3600)
    volumeMounts: [{name: runs, mountPath: /runs}]
  volumes: [{name: runs, persistentVolumeClaim: {claimName: runs}}]
`)
	link := strings.TrimSpace(s.must("tensorboard", "pvc://runs/digits"))
	front := s.is(t).Front
	if want := front.URL + "/tensorboard/" + s.namespace + "/"; !strings.HasPrefix(link, want) {
		t.Fatalf("weir tensorboard printed %q, want what begins with %s", link, want)
	}
	s.eventually(3*time.Minute, "TensorBoard shows the scalar", func() (bool, string) {
		said := getWith(link+"data/plugin/scalars/tags", front.Token)
		return strings.Contains(said, `"train"`) && strings.Contains(said, `"loss"`), said
	})
	said := getWith(link+"data/plugin/scalars/scalars?run=train&tag=loss", front.Token)
	if !strings.Contains(said, ", 0, 1.0]") || !strings.Contains(said, ", 1, 0.5]") {
		t.Errorf("the curve is %s, want 1 and then 0.5", said)
	}
}
