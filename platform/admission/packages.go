package admission

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	webhook "sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Packages says which Python packages a pod wants in place of a bare Python:
// as an annotation it is the list, one a line, and as a label it asks for them.
// Any value but "false" does.
const Packages = "weir-ml.github.io/packages"

// barePython are the images that hold a Python and no packages.
var barePython = regexp.MustCompile(`^(?:docker\.io/)?(?:library/)?python(?::(?:latest|3(?:\.(\d+))?[a-z0-9.-]*))?$`)

// BarePython tells whether an image is a Python without packages, and of which
// version, as "3.12"; empty is any.
func BarePython(image string) (version string, ok bool) {
	m := barePython.FindStringSubmatch(image)
	if m == nil || m[1] == "" {
		return "", m != nil
	}
	return "3." + m[1], true
}

// Environments gives pods that ask for packages an image that has them: where a
// container's image is a bare Python, it becomes the one that keep returns for
// the version, as "3.12" or empty, and the packages. Other images stay.
func Environments(keep func(python string, packages []string) (image string, err error)) Rule {
	give := func(ctx context.Context, pod *corev1.Pod) error {
		packages := listed(pod.Annotations[Packages])
		if pod.Labels[Packages] == "false" || len(packages) == 0 {
			return nil
		}
		request, err := webhook.RequestFromContext(ctx)
		if err != nil {
			return err
		}
		if request.DryRun != nil && *request.DryRun {
			return nil // Nothing may be kept.
		}
		for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range containers {
				python, bare := BarePython(containers[i].Image)
				if !bare {
					continue
				}
				image, err := keep(python, packages)
				if err != nil {
					return fmt.Errorf("container %s: %w", containers[i].Name, err)
				}
				containers[i].Image = image
			}
		}
		return nil
	}
	return givenToPods("packages", Packages, give)
}

// listed are the lines of a list that say something.
func listed(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	return all
}
