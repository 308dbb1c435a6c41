package measure

import (
	"slices"
	"strings"
)

// measured are words by which a name is known to be that of a measurement.
func measured() []string {
	return []string{
		"loss", "acc", "auc", "perplexity", "ppl", "rmse", "mae", "mse", "mape", "logloss", "merror", "ndcg",
		"f1", "precision", "recall", "bleu", "rouge", "iou", "wer", "cer", "dice", "psnr", "ssim", "mcc",
		"reward", "score", "entropy", "elbo", "kl", "error", "err", "top1", "top5", "map", "l1", "l2",
		"lr", "learning_rate", "grad_norm", "mfu", "throughput", "ips", "learn", "best",
	}
}

// isMeasured is whether a name says that it is of a measurement: one of its
// parts is, or ends as, one of the words.
func isMeasured(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "/sec") || strings.HasSuffix(name, "/s") || strings.HasSuffix(name, "per_second") {
		return true
	}
	words := measured()
	if slices.Contains(words, name) {
		return true
	}
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune("_-/.@:' ", r) }) {
		if slices.Contains(words, part) || strings.HasPrefix(part, "acc") && part != "accelerator" && part != "access" || strings.HasSuffix(part, "loss") || strings.HasSuffix(part, "accuracy") || strings.HasSuffix(part, "error") {
			return true
		}
	}
	return strings.Contains(name, "learning_rate") || strings.Contains(name, "grad_norm")
}

// settings are words for what is set, counted or numbered, and not measured.
func settings() []string {
	return []string{
		"epoch", "epochs", "step", "steps", "iter", "iters", "iteration", "iterations", "round", "rounds", "batch", "global", "total_steps",
		"port", "pid", "tid", "rank", "ranks", "world", "seed", "version", "size", "num", "number", "max", "min", "count", "id", "idx", "index",
		"line", "code", "exit", "exitcode", "status", "retry", "retries", "attempt", "attempts", "timeout", "gpu", "gpus", "cpu", "cpus", "device", "devices",
		"worker", "workers", "replica", "replicas", "thread", "threads", "process", "processes", "node", "nodes", "nproc", "core", "cores",
		"memory", "mem", "bytes", "params", "parameters", "layers", "hidden", "dim", "shape", "width", "height", "length", "len", "depth",
		"time", "times", "eta", "elapsed", "runtime", "duration", "sec", "secs", "seconds", "ms", "remaining", "total", "jitter", "date", "year",
		"uid", "gid", "user", "signal", "errno", "job", "task", "pod", "host", "address", "level", "interval", "warmup", "patience",
		"skipped", "samples", "examples", "rows", "columns", "records", "files", "classes", "features", "bins", "points", "items", "shards",
		"offset", "page", "priority", "scale", "batchsize", "generation", "cuda", "nccl", "cudnn", "python", "sm", "driver", "fd", "key", "bits",
		"num_workers", "v_num", "momentum", "mom", "beta", "betas", "beta1", "beta2", "eps", "epsilon", "weight_decay", "dropout", "gamma", "alpha",
		"fill", "warning", "warn", "note", "info", "debug", "fatal", "found", "set", "from", "to", "at", "in", "of", "on",
	}
}

// isSetting is whether a name is of something that is set or counted.
func isSetting(name string) bool {
	name = strings.ToLower(name)
	words := settings()
	if slices.Contains(words, name) {
		return true
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("_-. ", r) })
	if len(parts) == 0 {
		return true
	}
	counts := []string{"num", "n", "max", "min", "no", "nr"}
	return slices.Contains(words, parts[len(parts)-1]) || len(parts) > 1 && slices.Contains(counts, parts[0])
}

// isQualifier is whether a word before a name belongs to it: "val loss",
// "valid_0's auc", "Training set accuracy".
func isQualifier(word string) bool {
	if strings.HasSuffix(word, "'s") {
		return true
	}
	word = strings.TrimRight(word, "_0123456789")
	return slices.Contains([]string{
		"train", "training", "val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev", "set",
		"held-out", "holdout", "avg", "average", "mean", "total", "final", "best", "running", "batch", "epoch", "lm", "learning", "grad",
	}, strings.ToLower(word))
}

// withoutNumber are the names that need neither : nor = before their number.
func withoutNumber() string {
	return `(?:[\w-]*[lL]oss|LOSS|[\w-]*[aA]ccuracy|[aA]cc(?:@\d+)?|[aA]uc|AUC|perplexity|ppl|rmse|mae|mse|lr)`
}
