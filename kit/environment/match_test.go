package environment

import (
	"slices"
	"testing"
)

func TestMatches(t *testing.T) {
	cases := map[string]struct {
		why            string
		pattern, image string
		want           bool
	}{
		"AsWritten":       {"", "tensorflow/tensorflow:*", "tensorflow/tensorflow:2.21.0-gpu", true},
		"NoTag":           {"No tag means latest.", "tensorflow/tensorflow:*", "tensorflow/tensorflow", true},
		"NoTagIsLatest":   {"No tag is not every tag.", "python:3*", "python", false},
		"Hub":             {"The registry that goes without saying may be said.", "tensorflow/tensorflow:*", "docker.io/tensorflow/tensorflow:latest", true},
		"Library":         {"So may the folder of official images.", "python:3*", "docker.io/library/python:3.12-slim", true},
		"HubInPattern":    {"A pattern may be as long-winded.", "docker.io/library/python:3*", "python:3", true},
		"Digest":          {"A digest names bytes that are not here anyway.", "python:3*", "python:3.11@sha256:0123", true},
		"DigestOnly":      {"", "tensorflow/tensorflow:*", "tensorflow/tensorflow@sha256:0123", true},
		"OtherMajor":      {"", "python:3*", "python:2.7", false},
		"OtherRegistry":   {"Another registry's image of that name is another.", "python:3*", "quay.io/python:3", false},
		"Prefix":          {"A name is matched whole.", "python:3*", "cpython:3", false},
		"Port":            {"The port of a registry is no tag.", "registry.local:5000/mnist", "registry.local:5000/mnist:v2", true},
		"EveryTag":        {"A pattern without a tag means every tag.", "mnist", "mnist:v2", true},
		"TagOfPattern":    {"", "mnist:v1", "mnist:v2", false},
		"StarAndSlash":    {"A star stands for slashes too.", "ghcr.io/*/trainer:v*", "ghcr.io/a/b/trainer:v1", true},
		"TwoStars":        {"", "*mnist*", "registry.local:5000/tf-mnist-gpu:v2", true},
		"StarsInOrder":    {"", "a*b*c:*", "acb:1", false},
		"NotTwice":        {"One text is not both ends.", "aa*aa:*", "aaa:1", false},
		"NothingForAStar": {"", "mnist*", "mnist", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := matches(c.pattern, c.image); got != c.want {
				t.Errorf("%s matches(%q, %q) = %v, want %v", c.why, c.pattern, c.image, got, c.want)
			}
		})
	}
}

func TestCatalogue(t *testing.T) {
	own := Recipe{Image: "python:3.9*", Folder: "/opt/old"}
	taken := false
	s := newStore(t, Options{Recipes: []Recipe{own}, Newer: func() ([]Recipe, bool) { return nil, taken }})
	cases := map[string]struct {
		why, image string
		want       string // the first requirement, or Python, or folder
		none       bool
	}{
		"Latest":      {why: "No version is asked for.", image: "tensorflow/tensorflow", want: "tensorflow-cpu"},
		"GPU":         {why: "There are no GPUs in this one.", image: "tensorflow/tensorflow:latest-gpu", want: "tensorflow-cpu"},
		"Pinned":      {why: "A tag's version is the version.", image: "tensorflow/tensorflow:2.21.0", want: "tensorflow-cpu==2.21.0"},
		"PinnedMinor": {why: "A minor version is any of its patches.", image: "tensorflow/tensorflow:2.16-jupyter", want: "tensorflow-cpu==2.16.*"},
		"Torch":       {why: "What follows a version in a tag is about the image.", image: "pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime", want: "torch==2.5.1"},
		"OldTorch":    {why: "What the training client names.", image: "docker.io/pytorch/pytorch:2.1.2-cuda11.8-cudnn8-runtime", want: "torch==2.1.2"},
		"TorchLatest": {image: "pytorch/pytorch", want: "torch"},
		"Paddle":      {why: "Paddle's own registry means the same.", image: "registry.baidubce.com/paddlepaddle/paddle:2.4.0rc0-cpu", want: "paddlepaddle==2.4.0"},
		"JAX":         {why: "NVIDIA's tags are months, and no versions.", image: "nvcr.io/nvidia/jax:24.10-py3", want: "jax"},
		"OwnJAX":      {image: "weir.local/jax:0.7", want: "jax==0.7.*"},
		"XGBoost":     {image: "weir.local/xgboost", want: "xgboost"},
		"Trainer":     {why: "The tags of the trainer's images are its own versions.", image: "ghcr.io/kubeflow/trainer/xgboost-runtime:v2.3.0", want: "xgboost"},
		"DeepSpeed":   {why: "Its processes are started by an MPI.", image: "ghcr.io/kubeflow/trainer/deepspeed-runtime", want: "openmpi<5"},
		"AWS":         {image: "amazon/aws-cli:2.27.50", want: "awscli"},
		"Initializer": {image: "ghcr.io/kubeflow/trainer/dataset-initializer:v2.3.0", want: "boto3"},
		"Python":      {why: "The version found will do.", image: "python:3", want: ""},
		"Python312":   {why: "A version is looked for.", image: "python:3.12.4-slim-bookworm", want: "3.12"},
		"OwnFirst":    {why: "The user's own come first.", image: "python:3.9", want: "/opt/old"},
		"Unknown":     {why: "Nothing stands for nginx.", image: "nginx:latest", none: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, ok := s.Find(c.image)
			if ok == c.none {
				t.Fatalf("%s Find(%q) found: %v", c.why, c.image, ok)
			}
			got := r.Folder + r.Python
			if len(r.Requirements) > 0 {
				got = r.Requirements[0]
			}
			if got != c.want {
				t.Errorf("%s Find(%q) is about %q, want %q", c.why, c.image, got, c.want)
			}
		})
	}

	for version, want := range map[string]string{"1.13.1": "numpy<2", "2.2": "numpy<2", "2.3.0": "numpy", "2.15.0": "numpy", "latest": "numpy"} {
		if r, _ := s.Find("pytorch/pytorch:" + version); !slices.Contains(r.Requirements, want) {
			t.Errorf("PyTorch %s is about %q, want %q among them", version, r.Requirements, want)
		}
	}
	for _, image := range []string{"alpine:3.10", "alpine/git:2.49.1", "docker.io/library/busybox"} {
		if r, ok := s.Find(image); !ok || !r.Machine {
			t.Errorf("Find(%q) = %v, %v, want this machine's programs", image, r, ok)
		}
	}

	taken = true
	if r, _ := s.Find("python:3.9"); r.Folder != "" {
		t.Errorf("a recipe that was taken away is still found: %v", r)
	}
}
