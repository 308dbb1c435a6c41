package explain

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
)

// ofBadReference explains an image reference that is none.
func ofBadReference(c container) Explanation {
	problem, better := whatIsWrong(c.spec.Image)
	e := Explanation{
		State:    Stuck,
		Reason:   "InvalidImageName",
		Sentence: fmt.Sprintf("%s names no image: %q is malformed, since %s.", c.who(), c.spec.Image, problem),
		Remedy:   fmt.Sprintf("Correct the image of container %s and create the object again.", c.spec.Name),
	}
	if better != "" {
		e.Remedy = fmt.Sprintf("Correct the image of container %s and create the object again; perhaps %q is meant.", c.spec.Name, better)
	}
	return e
}

// whatIsWrong says why ref is not an image reference, and what it may have been
// meant to be ("" when that is anyone's guess).
func whatIsWrong(ref string) (problem, better string) {
	try := func(s string) string {
		if _, err := reference.ParseNormalizedNamed(s); err != nil {
			return ""
		}
		return s
	}
	squeezed := strings.Join(strings.FieldsFunc(ref, func(r rune) bool { return r == '/' }), "/")
	switch {
	case ref == "":
		return "it is empty", ""
	case strings.Contains(ref, "://"):
		_, rest, _ := strings.Cut(ref, "://")
		return "an image has no scheme such as https://", try(rest)
	case strings.ContainsFunc(ref, unicode.IsSpace):
		return "it has a space in it", try(strings.Join(strings.Fields(ref), ""))
	case strings.Contains(ref, "//"):
		return "a part of its path is empty (//)", try(squeezed)
	case strings.HasSuffix(ref, ":"), strings.HasSuffix(ref, "/"):
		return fmt.Sprintf("nothing follows the %q at its end", ref[len(ref)-1:]), try(strings.TrimRight(ref, ":/"))
	case strings.HasPrefix(ref, "/"):
		return "it begins with a slash", try(strings.TrimLeft(ref, "/"))
	case strings.ToLower(ref) != ref && try(strings.ToLower(ref)) != "":
		return "it has capital letters outside the tag", try(strings.ToLower(ref))
	}
	_, err := reference.ParseNormalizedNamed(ref)
	if err == nil {
		return "the node does not take it for one", ""
	}
	return err.Error(), ""
}

// ofImage explains an image that does not come. What was tried and what to do
// is known to whoever tried, and stands in the message.
func ofImage(c container, w *corev1.ContainerStateWaiting) Explanation {
	message, remedy := saidOfImage(c.spec.Image, cleaned(w.Message))
	e := Explanation{
		State:    Stuck,
		Reason:   "ImageNotFound",
		Sentence: fmt.Sprintf("%s has no image: %q cannot be resolved: %s", c.who(), c.spec.Image, sentence(message)),
		Remedy:   remedy,
	}
	switch lower := strings.ToLower(message); {
	case w.Reason == "ErrImageNeverPull":
		e.Reason = "ImageNeverPulled"
		e.Sentence = fmt.Sprintf("%s has no image: %q is not here, and imagePullPolicy Never forbids to get it.", c.who(), c.spec.Image)
		e.Remedy = "Set imagePullPolicy to IfNotPresent."
	case message == "":
		e.Sentence = fmt.Sprintf("%s has no image: %q cannot be resolved.", c.who(), c.spec.Image)
	case strings.HasPrefix(lower, "environment for ") && strings.Contains(lower, "cannot be built"):
		e.Reason = "EnvironmentNotBuilt"
		e.Sentence = fmt.Sprintf("%s has no image: the %s", c.who(), sentence(message))
	case strings.Contains(lower, "unauthorized"), strings.Contains(lower, "authentication required"), strings.Contains(lower, "403 forbidden"):
		e.Reason = "ImageForbidden"
		e.Sentence = fmt.Sprintf("%s has no image: the registry of %q wants a password: %s", c.who(), c.spec.Image, sentence(message))
		e.Remedy = "Name a Secret of type kubernetes.io/dockerconfigjson under imagePullSecrets."
	}
	return e
}

// saidOfImage takes a message about an image apart. Weir's own begin with the
// image and end with what to do; others say only what is wrong.
func saidOfImage(ref, message string) (problem, remedy string) {
	ours, found := strings.CutPrefix(message, fmt.Sprintf("image %q: ", ref))
	if i := strings.LastIndex(ours, ": "); found && i >= 0 {
		return ours[:i], capital(sentence(ours[i+2:]))
	}
	return ours, "Correct the name of the image; weir environment list shows those that mean something here."
}
