package explain

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// ofContainer explains a container that does not come to run or does not stay.
func ofContainer(c container, f facts) (Explanation, bool) {
	if w := c.status.State.Waiting; w != nil {
		return ofWaiting(c, w, f)
	}
	t := c.status.State.Terminated
	if t == nil || t.ExitCode == 0 && t.Signal == 0 {
		return Explanation{}, false
	}
	// It has just ended badly, and the kubelet has not said yet what comes next.
	return ofEnded(c, t, f, Stuck), true
}

func ofWaiting(c container, w *corev1.ContainerStateWaiting, f facts) (Explanation, bool) {
	switch w.Reason {
	case "InvalidImageName":
		return ofBadReference(c), true
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError":
		return ofImage(c, w), true
	case "CreateContainerConfigError":
		return ofConfig(c, cleaned(w.Message)), true
	case "CreateContainerError", "RunContainerError", "PreCreateHookError", "PreStartHookError":
		return ofStartError(c, cleaned(w.Message)), true
	case "PostStartHookError":
		return Explanation{
			State:    Stuck,
			Reason:   "HookFails",
			Sentence: fmt.Sprintf("The postStart hook of %s fails: %s", c.who(), sentence(cleaned(w.Message))),
			Remedy:   "Correct lifecycle.postStart of the container.",
		}, true
	case "CrashLoopBackOff":
		if t := c.status.LastTerminationState.Terminated; t != nil {
			return ofEnded(c, t, f, Stuck), true
		}
		return Explanation{State: Stuck, Reason: "CrashLoop", Sentence: fmt.Sprintf("%s ends again and again.", c.who())}, true
	}
	return Explanation{}, false // ContainerCreating, PodInitializing: it starts.
}

// ofConfig explains a container whose environment cannot be put together.
func ofConfig(c container, message string) Explanation {
	if e, found := missingObject(c.pod, message); found {
		e.Sentence = fmt.Sprintf("%s needs %s", c.who(), e.Sentence)
		return e
	}
	if strings.Contains(message, "runAsNonRoot") {
		return Explanation{
			State:    Stuck,
			Reason:   "RunsAsRoot",
			Sentence: fmt.Sprintf("%s must not run as root, and its image says no other user.", c.who()),
			Remedy:   "Set securityContext.runAsUser to a number other than 0, or leave out runAsNonRoot.",
		}
	}
	return Explanation{State: Stuck, Reason: "BadConfig", Sentence: fmt.Sprintf("%s cannot be created: %s", c.who(), sentence(message))}
}

// ofStartError explains a container whose command cannot be started.
func ofStartError(c container, message string) Explanation {
	command := commandIn(message)
	if command == "" && len(c.spec.Command) > 0 {
		command = c.spec.Command[0]
	}
	has := func(phrases ...string) bool {
		return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(strings.ToLower(message), p) })
	}
	switch {
	case has("working directory", "chdir to cwd"):
		return Explanation{
			State:    Stuck,
			Reason:   "NoWorkingDir",
			Sentence: fmt.Sprintf("%s cannot be started in its working directory: %s", c.who(), sentence(message)),
			Remedy:   "Correct workingDir of the container, or mount a volume there.",
		}
	case has("interpreter", "user namespace"):
		// These say all there is to say.
	case has("not found", "no such file", "is in none of", "does not exist in the container"):
		return commandNotFound(c, command)
	case has("permission denied", "exec format error", "cannot be executed"):
		return notExecutable(c, command)
	}
	return Explanation{
		State:    Stuck,
		Reason:   "CannotStart",
		Sentence: fmt.Sprintf("%s cannot be started: %s", c.who(), sentence(message)),
	}
}

// commandIn finds in a message which command it is about; ours and runc's say it
// in words of their own.
func commandIn(message string) string {
	for _, pattern := range []string{`exec: "([^"]+)"`, `(?i)command "([^"]+)"`} {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(message); m != nil {
			return m[1]
		}
	}
	return ""
}

func commandNotFound(c container, command string) Explanation {
	where := fmt.Sprintf("is not on the PATH of image %q", c.spec.Image)
	if strings.Contains(command, "/") {
		where = fmt.Sprintf("is not a file in image %q or in a volume", c.spec.Image)
	}
	return Explanation{
		State:    Stuck,
		Reason:   "CommandNotFound",
		Sentence: fmt.Sprintf("%s runs %q, which %s.", c.who(), command, where),
		Remedy:   fmt.Sprintf("Correct the command of the container, or use an image that has %s.", path.Base(command)),
	}
}

func notExecutable(c container, command string) Explanation {
	return Explanation{
		State:    Stuck,
		Reason:   "CommandNotExecutable",
		Sentence: fmt.Sprintf("%s runs %q, which is a file that cannot be executed.", c.who(), command),
		Remedy:   fmt.Sprintf("Run it through what reads it, as in: python3 %s, or make it executable (chmod +x) with a #! line at its top.", command),
	}
}

// cleaned leaves out of a message what the layers between say about themselves.
func cleaned(message string) string {
	for {
		before := message
		message = strings.TrimSpace(message)
		if rest, ok := strings.CutPrefix(message, "rpc error: code = "); ok {
			_, message, _ = strings.Cut(rest, "desc = ")
		}
		if strings.HasPrefix(message, "Back-off pulling image ") {
			_, message, _ = strings.Cut(message, `": `)
		}
		for _, p := range []string{"ErrImagePull: ", "failed to start container: ", "failed to create container: ", "Error: "} {
			message = strings.TrimPrefix(message, p)
		}
		if message == before {
			return message
		}
	}
}

// sentence ends a phrase with a full stop.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}
