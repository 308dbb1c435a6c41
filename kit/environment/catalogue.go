package environment

import (
	"regexp"
	"strings"
)

// leadingVersion is the version that a tag begins with.
var leadingVersion = regexp.MustCompile(`^\d+(\.\d+)*`)

// builtIn returns the recipe that weir brings for an image.
func builtIn(image string) (Recipe, bool) {
	_, tag := split(image)
	version := leadingVersion.FindString(tag)
	switch {
	case matches("tensorflow/tensorflow:*", image):
		return tensorflow(version), true
	case matches("python:3*", image), matches("python:latest", image):
		return python(version), true
	}
	return Recipe{}, false
}

// tensorflow is the environment of TensorFlow's images. Keras 3 cannot be
// trained by MultiWorkerMirroredStrategy, so tf-keras is there and is what
// tf.keras means.
func tensorflow(version string) Recipe {
	current := Recipe{
		Image:        "tensorflow/tensorflow:*",
		Requirements: []string{"tensorflow-cpu", "keras", "tf-keras", "numpy", "scikit-learn", "pillow", "boto3"},
		Command:      []string{"/bin/bash"},
		Variables:    map[string]string{"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONUNBUFFERED": "1"},
	}
	// Python may well be newer than any that TensorFlow has been built for.
	older := current
	older.Python = "3.12"
	current.Otherwise = &older
	if version == "" {
		return current
	}

	pinned := current
	pinned.Otherwise = &current
	parts := strings.Split(version, ".")
	if len(parts) < 3 {
		version += ".*"
	}
	pinned.Requirements = []string{"tensorflow-cpu==" + version, "keras", "numpy", "scikit-learn", "pillow", "boto3"}
	if len(parts) >= 2 && hasLegacyKeras(parts[0], parts[1]) {
		pinned.Requirements = append(pinned.Requirements, "tf-keras=="+parts[0]+"."+parts[1]+".*")
	}
	return pinned
}

// hasLegacyKeras says whether there is a tf-keras for a version of TensorFlow:
// since 2.15, when keras itself was about to become Keras 3.
func hasLegacyKeras(major, minor string) bool {
	return major == "2" && (len(minor) > 2 || len(minor) == 2 && minor >= "15")
}

// python is the environment of Python's images: an interpreter and pip.
func python(version string) Recipe {
	plain := Recipe{Image: "python:3*", Command: []string{"python3"}, Variables: map[string]string{"PYTHONUNBUFFERED": "1"}}
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
