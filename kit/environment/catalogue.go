package environment

import (
	_ "embed" // for fetch.py
	"regexp"
	"slices"
	"strings"
)

// leadingVersion is the version that a tag begins with.
var leadingVersion = regexp.MustCompile(`^\d+(\.\d+)*`)

// builtIns are the images that weir brings recipes for, with what makes one of
// the version that an image's tag begins with. (Nothing changes it.)
var builtIns = []struct {
	images []string
	make   func(image, version string) Recipe
}{
	{[]string{"tensorflow/tensorflow:*"}, tensorflow},
	{[]string{"pytorch/pytorch:*"}, pytorch},
	{[]string{"paddlepaddle/paddle:*", "registry.baidubce.com/paddlepaddle/paddle:*"}, library("paddlepaddle", "setuptools")},     // It imports setuptools, and does not ask for it.
	{[]string{"nvcr.io/nvidia/jax:*", "ghcr.io/nvidia/jax:*"}, func(image, _ string) Recipe { return library("jax")(image, "") }}, // Tags are months.
	{[]string{"weir.local/jax:*"}, library("jax")},
	{[]string{"weir.local/xgboost:*"}, library("xgboost", "lightgbm")},
	{[]string{"ghcr.io/kubeflow/trainer/xgboost-runtime:*"}, func(image, _ string) Recipe { return library("xgboost", "lightgbm")(image, "") }}, // Tags are the trainer's.
	{[]string{"ghcr.io/kubeflow/trainer/deepspeed-runtime:*"}, mpi("openmpi<5", "torch", "deepspeed")},
	{[]string{"ghcr.io/kubeflow/trainer/dataset-initializer:*"}, fetcher("dataset")},
	{[]string{"ghcr.io/kubeflow/trainer/model-initializer:*"}, fetcher("model")},
	{[]string{"mpioperator/kubectl-delivery:*", "kubeflow/kubectl-delivery:*"}, func(image, _ string) Recipe {
		return Recipe{Image: image, Programs: true, Entrypoint: []string{"kubectl-delivery"}}
	}},
	{[]string{"mpioperator/*:*mpich*", "mpioperator/*mpich*", "weir.local/mpich:*"}, mpi("mpich")},
	{[]string{"mpioperator/*:*intel*", "mpioperator/*intel*", "weir.local/intelmpi:*"}, mpi("impi-rt<2021.19")}, // Since then it wants a libfabric that the index has not.
	{[]string{"mpioperator/*", "weir.local/openmpi:*"}, mpi("openmpi<5")},                                       // Since 5 it reads neither the variables nor the options of MPIJobs.
	{[]string{"ghcr.io/kubeflow/training-v1/storage-initializer:*"}, storageInitializer},
	{[]string{"amazon/aws-cli:*"}, func(image, _ string) Recipe {
		return Recipe{Image: image, Requirements: []string{"awscli"}, Entrypoint: []string{"aws"}}
	}},
	{[]string{"alpine/git:*"}, func(image, _ string) Recipe { return Recipe{Image: image, Machine: true, Entrypoint: []string{"git"}} }},
	{[]string{"python:3*", "python:latest"}, python},
	{[]string{"alpine:*", "busybox:*"}, func(image, _ string) Recipe { return Recipe{Image: image, Machine: true, Command: []string{"/bin/sh"}} }},
}

// builtIn returns the recipe that weir brings for an image.
func builtIn(image string) (Recipe, bool) {
	_, tag := split(image)
	for _, b := range builtIns {
		for _, pattern := range b.images {
			if matches(pattern, image) {
				return b.make(pattern, leadingVersion.FindString(tag)), true
			}
		}
	}
	return Recipe{}, false
}

// BuiltIn are the recipes that weir brings, without a version.
func BuiltIn() []Recipe {
	var all []Recipe
	for _, b := range builtIns {
		for _, pattern := range b.images {
			all = append(all, b.make(pattern, ""))
		}
	}
	return all
}

// fetch is a program that fetches datasets and models.
//
//go:embed fetch.py
var fetch string

// fetcher is the environment of images that fetch a dataset or a model.
func fetcher(what string) func(image, version string) Recipe {
	return func(image, _ string) Recipe {
		return versioned(image, "", []string{"python3", "-c", fetch, what}, map[string]string{"PYTHONUNBUFFERED": "1"}, func(string) []string {
			return []string{"boto3", "huggingface_hub"}
		})
	}
}

// besides are packages that examples use beside any library.
func besides() []string { return []string{"numpy", "scikit-learn", "pillow", "boto3"} }

// library is the environment of images that hold a library: of the version that
// a tag begins with if there is one, and of its newest otherwise.
func library(name string, others ...string) func(image, version string) Recipe {
	return func(image, version string) Recipe {
		return versioned(image, version, []string{"/bin/bash"}, map[string]string{"PYTHONUNBUFFERED": "1"}, func(v string) []string {
			return append(append([]string{name + v}, others...), besides()...)
		})
	}
}

// forNumPy1 are the versions of PyTorch that were built for NumPy 1.
var forNumPy1 = regexp.MustCompile(`^(1|2\.[012])(\.|$)`)

// pytorch is the environment of PyTorch's images.
func pytorch(image, version string) Recipe {
	r := library("torch", "torchvision")(image, version)
	if forNumPy1.MatchString(version) {
		r.Requirements[slices.Index(r.Requirements, "numpy")] = "numpy<2"
	}
	return r
}

// storageInitializer is the environment of the image in which the training
// client's train fetches models and data: the program is the client's own.
func storageInitializer(image, _ string) Recipe {
	return Recipe{
		Image:        image,
		Requirements: []string{"kubeflow-training==1.9.4", "transformers==4.50.2", "peft==0.15.1", "datasets==3.5.0", "boto3"},
		Entrypoint:   []string{"python", "-m", "kubeflow.storage_initializer.storage"},
		Variables:    map[string]string{"PYTHONUNBUFFERED": "1"},
	}
}

// olderPython is a version that all libraries have been built for.
const olderPython = "3.12"

// versioned is a recipe that goes from the version wanted to the newest one, and
// from there to an older Python: the one here may well be newer than any that a
// library has been built for. packages are given what follows a package's name.
func versioned(image, version string, command []string, variables map[string]string, packages func(version string) []string) Recipe {
	current := Recipe{Image: image, Requirements: packages(""), Command: command, Variables: variables}
	older := current
	older.Python = olderPython
	current.Otherwise = &older
	if version == "" {
		return current
	}
	if strings.Count(version, ".") < 2 {
		version += ".*"
	}
	pinned := current
	pinned.Requirements, pinned.Otherwise = packages("=="+version), &current
	return pinned
}

// tensorflow is the environment of TensorFlow's images. Keras 3 cannot be
// trained by MultiWorkerMirroredStrategy, so tf-keras is there and is what
// tf.keras means.
func tensorflow(image, version string) Recipe {
	variables := map[string]string{"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONUNBUFFERED": "1"}
	return versioned(image, version, []string{"/bin/bash"}, variables, func(v string) []string {
		all := append([]string{"tensorflow-cpu" + v, "keras"}, besides()...)
		parts := strings.Split(strings.TrimPrefix(v, "=="), ".")
		switch {
		case v == "":
			return append(all, "tf-keras")
		case len(parts) >= 2 && hasLegacyKeras(parts[0], parts[1]):
			return append(all, "tf-keras=="+parts[0]+"."+parts[1]+".*")
		}
		return all
	})
}

// hasLegacyKeras says whether there is a tf-keras for a version of TensorFlow:
// since 2.15, when keras itself was about to become Keras 3.
func hasLegacyKeras(major, minor string) bool {
	return major == "2" && (len(minor) > 2 || len(minor) == 2 && minor >= "15")
}

// mpi is the environment of images that hold an MPI, and Python's way to it.
func mpi(library string, others ...string) func(image, version string) Recipe {
	return func(image, _ string) Recipe {
		return Recipe{
			Image: image, Requirements: append([]string{library, "mpi4py", "numpy"}, others...), Command: []string{"/bin/bash"},
			Variables: map[string]string{"PYTHONUNBUFFERED": "1"},
		}
	}
}

// python is the environment of Python's images: an interpreter and pip.
func python(image, version string) Recipe {
	plain := Recipe{Image: image, Command: []string{"python3"}, Variables: map[string]string{"PYTHONUNBUFFERED": "1"}}
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return plain
	}
	wanted := plain
	wanted.Python = parts[0] + "." + parts[1]
	wanted.Otherwise = &plain
	return wanted
}

// standIns are packages that hold another: where one is required, the other is
// not fetched though its dependants ask for it. (Nothing changes it.)
var standIns = map[string]string{"tensorflow-cpu": "tensorflow"}

// packageName is the name of the package that a requirement is about.
var packageName = regexp.MustCompile(`^\s*([A-Za-z0-9][A-Za-z0-9._-]*)`)

// excluded returns the packages that the requirements make needless.
func excluded(requirements []string) []string {
	var out []string
	for _, r := range requirements {
		if m := packageName.FindStringSubmatch(r); m != nil {
			if p, ok := standIns[strings.ToLower(strings.ReplaceAll(m[1], "_", "-"))]; ok {
				out = append(out, p)
			}
		}
	}
	return out
}
