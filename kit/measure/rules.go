package measure

import (
	"regexp"
	"slices"
	"strings"
)

// A rule finds where a training is. Its groups are epoch, epochs, step and
// steps; a group of another name is a value of that name.
type rule struct {
	example  string
	needs    string // words of which a line must have one, in lower case; to look for them is cheap
	pattern  string
	perEpoch bool // steps begin anew with each epoch
}

// epochRules say which epoch it is; the first that matches counts.
func epochRules() []rule {
	return []rule{
		{example: "Epoch 3/6", needs: "epoch", pattern: `(?i)\bepoch['"]?[\s:=#]*[\[(]?\s*(?P<epoch>\d+)\s*(?:/|of)\s*(?P<epochs>\d+)`},
		{example: "Epoch: [3][10/500]", needs: "epoch", pattern: `(?i)\bepoch['"]?(?:[\s:=#]+[\[(]?|[\[(])['"]?\s*(?P<epoch>\d+(?:\.\d+)?)`},
		{example: "Num Epochs = 3", needs: "epochs", pattern: `(?i)\bepochs['"]?\s*[:=]\s*(?P<epochs>\d+)\b`},
	}
}

// stepRules say which step it is; the first that matches counts.
func stepRules() []rule {
	return []rule{
		{
			example: "Train Epoch: 1 [640/60000 (1%)]",
			needs:   "epoch", pattern: `(?i)\bepoch['"]?[\s:=#]*[\[(]?\s*\d+[\])]?\s*\[\s*(?P<step>\d+)\s*/\s*(?P<steps>\d+)`,
			perEpoch: true,
		},
		{
			example: "12/60 [====>....] - loss: 0.4", // Keras
			needs:   "- ", pattern: `^\s*(?P<step>\d+)/(?P<steps>\d+)\s+(?:\[[=>.]|[━╸]|-\s).*?- \w+: (?:[-\d.]+(?:e[-+]?\d+)?|nan|-?inf)(?:\s|$)`,
			perEpoch: true,
		},
		{
			example: "Epoch 1:  50%|█████     | 5/10 [00:01<00:01, 5.00it/s, loss=0.5]", // Lightning
			needs:   "%|", pattern: `(?i)\bepoch\b.*%\|.*\|\s*(?P<step>\d+)/(?P<steps>\d+)\s\[`,
			perEpoch: true,
		},
		{
			example: "3|17|Loss: 4.575:  12%|█▎        | 1/8 [00:09<01:03,  9.06s/it]", // torchtune
			needs:   "|loss: ", pattern: `^(?P<epoch>\d+)\|\d+\|Loss: (?P<Loss>[\d.]+|nan|inf):.*%\|.*\|\s*(?P<step>\d+)/(?P<steps>\d+)\s\[`,
			perEpoch: true,
		},
		{
			example: " 12%|█▏        | 12/100 [00:10<01:10,  1.20it/s]", // tqdm
			needs:   "%|", pattern: `\d%\|.*\|\s*(?P<step>\d+)/(?P<steps>\d+)\s\[`,
		},
		{
			example: "step  10/938 - loss: 0.2", // Paddle
			needs:   "step batch", pattern: `(?i)\b(?:step|batch)['"]?[\s:=#]*[\[(]?\s*(?P<step>\d+)\s*(?:/|of)\s*(?P<steps>\d+)\s*(?:\[[=>.]|-\s)`,
			perEpoch: true,
		},
		{
			example: "Epoch 1/3, Batch 10/100",
			needs:   "epoch", pattern: `(?i)\bepoch\b.*\b(?:step|iter|iteration|batch)['"]?[\s:=#]*[\[(]?\s*(?P<step>\d+)\s*(?:/|of)\s*(?P<steps>\d+)`,
			perEpoch: true,
		},
		{
			example: " iteration       10/     100 |", // Megatron
			needs:   "step iter round", pattern: `(?i)\b(?:step|iter|iteration|round)['"]?[\s:=#]*[\[(]?\s*(?P<step>\d+)\s*(?:/|of)\s*(?P<steps>\d+)`,
		},
		{
			example: "INFO:tensorflow:loss = 0.1, step = 100",
			needs:   "step iter round", pattern: `(?i)\b(?:global[_ ])?(?:step|iter|iteration|round)['"]?(?:[\s:=#]+[\[(]?|[\[(])['"]?\s*(?P<step>\d+)(?:[^\d.]|$)`,
		},
		{
			example: "10\timages/sec: 12.3 +/- 0.1 (jitter = 0.1)\t7.845", // tf_cnn_benchmarks
			needs:   "images/sec", pattern: `^(?P<step>\d+)\timages/sec: [\d.]+ .*\)\t(?P<total_loss>[\d.]+)$`,
		},
		{example: "[10]\ttrain-rmse:0.1\teval-rmse:0.2", needs: "[", pattern: `^(?:\S+ )*\[(?P<step>\d+)\]\s+[A-Za-z][\w']*(?:[-_]| )[\w@-]+: ?-?\d`}, // XGBoost, LightGBM
		{example: "10:\tlearn: 0.65\ttotal: 1s", needs: "learn: test: ", pattern: `^(?P<step>\d+):\s+(?:learn|test): `},                               // CatBoost
	}
}

// others are lines about what is not training: bars of downloads, data and
// checks, remarks on settings. They are left out whole.
func others() []rule {
	return []rule{
		{needs: "%|", pattern: `\d%\|.*\[.*\b[kMGT]?i?B/s`},
		{needs: "%|", pattern: `\d%\|.*\|\s*[\d.]+[kMGT]i?B?/`},
		{needs: "%|", pattern: `\d%\|.*(?: examples| files| tokens|ba|doc|docs|shard|shards)/s`},
		{needs: "%|", pattern: `(?i)(?:download|load|extract|unpack|map|filter|tokeniz|fetch|generat|cache|copy|upload|saving|sanity|valid|eval|test|predict)\w*\b[^|]*:?\s+\d+%\|`},
		{needs: "━", pattern: `━\s+[\d.]+/[\d.]+ [kMG]B`},
		{needs: "[lightgbm]", pattern: `^\[LightGBM\] \[Info\] (?:\[|Start training)`},
	}
}

// masks are what looks like a name and a number, and is none: times, addresses,
// paths, versions.
func masks() []rule {
	return []rule{
		{needs: "]", pattern: `^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [^\]]*\]`},
		{needs: "- /", pattern: `\d{4}[-/]\d\d[-/]\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?`},
		{needs: ":", pattern: `\b\d+:\d\d(?::\d\d)?(?:[.,]\d+)?\b`},
		{needs: "://", pattern: `\b[a-z][a-z0-9+.-]*://\S+`},
		{needs: ".", pattern: `\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b`},
		{needs: "localhost .", pattern: `\b(?:localhost|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}):\d{2,5}\b`},
		{needs: "::", pattern: `\[[0-9a-fA-F:]*::[0-9a-fA-F:]*\]:\d+`},
		{needs: ".py: .cc: .cpp: .c: .cu: .h: .go: .java: .rs:", pattern: `[\w./-]*\.(?:py|cc|cpp|c|cu|h|go|java|rs):\d+`},
		{needs: "line", pattern: `", line \d+`},
		{needs: ".", pattern: `\b[vV]?\d+\.\d+\.\d+[\w.+-]*`},
		{needs: "0x", pattern: `\b0x[0-9a-fA-F]+\b`},
		{needs: "-", pattern: `\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F-]{20,}\b`},
	}
}

// A compiled rule is one that can be used.
type compiled struct {
	rule
	needs []string
	re    *regexp.Regexp
}

func compile(rules []rule) []compiled {
	var all []compiled
	for _, r := range rules {
		all = append(all, compiled{r, strings.Fields(r.needs), regexp.MustCompile(r.pattern)})
	}
	return all
}

// may is whether a line, in lower case, has one of the words that it must have.
func (c *compiled) may(lower string) bool {
	return slices.ContainsFunc(c.needs, func(word string) bool { return strings.Contains(lower, word) })
}
