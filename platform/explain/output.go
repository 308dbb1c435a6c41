package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A symptom is something a program prints before it ends, that says more than
// its exit code. In sentence and remedy, $1 is what the pattern found, WHO the
// container, PACKAGE the package of a Python module so called, IMAGE its image,
// ENDING how it ended, and LOGS how to read all of it.
type symptom struct {
	reason, pattern, sentence, remedy string

	exit int32 // the only exit code it counts for; 0 for any
}

func symptoms() []symptom {
	known := []symptom{
		{
			reason:   "KerasNeedsLegacy",
			pattern:  `Attempt to convert a value \(PerReplica`,
			sentence: `WHO trains over several workers with Keras 3, which does not support that: it "attempts to convert a value (PerReplica…) with an unsupported type".`,
			remedy:   `Use tf.keras with TF_USE_LEGACY_KERAS=1 in the container's environment and the package tf-keras beside tensorflow. (weir does so for TFJobs of several replicas, unless the job sets the variable itself or the script imports keras.)`,
		},
		{
			reason:   "PackageMissing",
			pattern:  `ModuleNotFoundError: No module named '([^'.]+)`,
			sentence: `WHO imports $1, which image "IMAGE" does not have.`,
			remedy:   `Add it to the image's packages: weir environment add IMAGE --package PACKAGE`,
		},
		{
			reason:   "ScriptNotFound",
			pattern:  `python\S*: can't open file '([^']+)': \[Errno 2\]`,
			sentence: `WHO runs the script $1, which is no file in its image or volumes.`,
			remedy:   `Correct the path, or bring the script along: as a ConfigMap mounted as a volume, or from a folder opened with weir up --share.`,
		},
		{
			reason:   "CommandNotFound",
			exit:     127,
			pattern:  `(?m)^(?:\S*sh: )?(?:line )?(?:\d+: )?([\w./+-]+): (?:command )?not found$`,
			sentence: `WHO calls $1, which is not on the PATH of image "IMAGE".`,
			remedy:   `Correct the command, or use an image that has it.`,
		},
		{
			reason:   "GPUOutOfMemory",
			pattern:  `(CUDA out of memory|OOM when allocating tensor|CUDA_ERROR_OUT_OF_MEMORY|RESOURCE_EXHAUSTED: Out of memory)`,
			sentence: `WHO used more memory than the GPU has.`,
			remedy:   `Use smaller batches or a smaller model, or let fewer programs share the GPU.`,
		},
		{
			reason:   "PortInUse",
			pattern:  `(?i)(address already in use|No address added out of total)`,
			sentence: `WHO listens on a port that is taken already.`,
			remedy:   `Use another port, or end what has it: two containers of a pod share its ports.`,
		},
		{
			reason:   "DiskFull",
			pattern:  `(No space left on device)`,
			sentence: `WHO could not write: no space is left on the device.`,
			remedy:   `Make room on the disk that holds weir's folder, or write less.`,
		},
		{
			reason:   "BucketNotFound",
			pattern:  `(NoSuchBucket)`,
			sentence: `WHO asked for a bucket that does not exist.`,
			remedy:   `Create the bucket, or correct its name.`,
		},
		{
			reason:   "NameNotResolved",
			pattern:  `(Temporary failure in name resolution|Name or service not known)`,
			sentence: `WHO asked for the address of a name that nobody knows ($1).`,
			remedy:   `Correct the host's name; a Service is found as NAME.NAMESPACE.svc once it exists.`,
		},
	}
	return slices.Concat(known, training(), []symptom{{
		reason:   "ProgramError",
		pattern:  `(?m)^(?:\[rank\d+\]: )?((?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b: .+)$`,
		sentence: `WHO ENDING: $1`,
		remedy:   `Correct the program; all it printed: LOGS`,
	}})
}

// ofOutput explains the end of a container by what it printed.
func ofOutput(c container, t *corev1.ContainerStateTerminated, lines []string) (Explanation, bool) {
	if len(lines) == 0 {
		return Explanation{}, false
	}
	text := strings.Join(lines, "\n")
	for _, s := range symptoms() {
		all := regexp.MustCompile(s.pattern).FindAllStringSubmatch(text, -1)
		if all == nil || s.exit != 0 && s.exit != t.ExitCode {
			continue
		}
		found := "" // What was said last is nearest to the end.
		if last := all[len(all)-1]; len(last) > 1 {
			found = shortened(last[1], 200)
		}
		fill := strings.NewReplacer("$1", found, "PACKAGE", packageOf(found), "WHO", c.who(), "IMAGE", c.spec.Image, "ENDING", ending(t), "LOGS", command("logs", "Pod", c.pod.Namespace, c.pod.Name)).Replace
		return Explanation{Reason: s.reason, Sentence: sentence(fill(s.sentence)), Remedy: fill(s.remedy)}, true
	}
	return Explanation{}, false
}

// packageOf names the package that has a Python module, for the best known of
// those that are called otherwise.
func packageOf(module string) string {
	others := map[string]string{
		"cv2": "opencv-python-headless", "sklearn": "scikit-learn", "PIL": "pillow", "yaml": "pyyaml", "skimage": "scikit-image",
		"bs4": "beautifulsoup4", "dotenv": "python-dotenv", "dateutil": "python-dateutil",
	}
	return cmp.Or(others[module], module)
}

func shortened(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("%s…", strings.ToValidUTF8(s[:n], ""))
}
