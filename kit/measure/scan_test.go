package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What one line gives after a scanner that knows nothing: its values, and where
// the training is.
func TestLinesOfFrameworks(t *testing.T) {
	cases := map[string]struct{ line, want string }{
		"KerasBar":           {" 12/60 [=====>........................] - ETA: 0s - loss: 0.4321 - accuracy: 0.8750", "loss=0.4321 accuracy=0.875; step 12/60 of the epoch"},
		"Keras3Bar":          {"\x1b[1m12/60\x1b[0m \x1b[32m━━━\x1b[0m\x1b[37m━━━━━\x1b[0m \x1b[1m0s\x1b[0m 4ms/step - accuracy: 0.8750 - loss: 0.4321", "accuracy=0.875 loss=0.4321; step 12/60 of the epoch"},
		"KerasOneLine":       {"45/45 - 1s - loss: 0.4101 - val_loss: 0.5034 - val_accuracy: 0.8702 - 1s/epoch - 26ms/step", "loss=0.4101 val_loss=0.5034 val_accuracy=0.8702; step 45/45 of the epoch"},
		"KerasNaN":           {"5/10 [=====>....] - ETA: 0s - loss: nan", "loss=NaN; step 5/10 of the epoch"},
		"KerasEpoch":         {"Epoch 3/6", "; epoch 3/6"},
		"KerasCheckpoint":    {"Epoch 00003: val_loss improved from 0.52 to 0.49, saving model to /m/best-0.49.h5", "; epoch 3"},
		"KerasRateDrops":     {"Epoch 5: ReduceLROnPlateau reducing learning rate to 0.00020000000949949026.", "; epoch 5"},
		"MNISTTrain":         {"Train Epoch: 1 [640/60000 (1%)]\tLoss: 0.432100", "Loss=0.4321; epoch 1, step 640/60000 of the epoch"},
		"MNISTOperator":      {"Train Epoch: 1 [640/60000 (1%)]\tloss=2.2927", "loss=2.2927; epoch 1, step 640/60000 of the epoch"},
		"MNISTTest":          {"Test set: Average loss: 0.0523, Accuracy: 9824/10000 (98%)", "Average_loss=0.0523 Accuracy=0.9824;"},
		"ImageNet":           {"Epoch: [3][  10/5005]\tTime  0.421 ( 0.987)\tData  0.011 ( 0.220)\tLoss 6.9123e+00 (6.9500e+00)\tAcc@1   1.17 (  0.98)\tAcc@5   3.12 (  2.90)", "Loss=6.9123 Acc@1=1.17 Acc@5=3.12; epoch 3, step 10/5005 of the epoch"},
		"PyTorchTutorial":    {"[1,  2000] loss: 2.188", "loss=2.188;"},
		"PyTorchQuickstart":  {"loss: 2.303494  [   64/60000]", "loss=2.303494;"},
		"PyTorchTestError":   {" Accuracy: 44.2%, Avg loss: 2.155389 ", "Accuracy=44.2 Avg_loss=2.155389;"},
		"PyTorchSteps":       {"Epoch [2/5], Step [300/600], Loss: 0.1234", "Loss=0.1234; epoch 2/5, step 300/600 of the epoch"},
		"DDP":                {"[GPU1] Epoch 7 | Batchsize: 32 | Steps: 16", "; epoch 7"},
		"Rank":               {"[rank0]: step 20 loss 0.52 lr 0.001", "loss=0.52 lr=0.001; step 20"},
		"Lightning":          {"Epoch 1:  50%|█████     | 5/10 [00:01<00:01,  5.00it/s, v_num=0, train_loss=0.512]", "train_loss=0.512; epoch 1, step 5/10 of the epoch"},
		"Torchtune":          {"3|17|Loss: 4.5751566886901855:  12%|█▎        | 1/8 [00:09<01:03,  9.06s/it]", "Loss=4.5751566886901855; epoch 3, step 1/8 of the epoch"},
		"LightningZero":      {"Epoch 0: 100%|██████████| 10/10 [00:01<00:00, 9.5it/s, loss=0.7, v_num=3, val_acc=0.61]", "loss=0.7 val_acc=0.61; epoch 0, step 10/10 of the epoch"},
		"HuggingFace":        {"{'loss': 0.5123, 'grad_norm': 1.25, 'learning_rate': 5e-05, 'epoch': 1.25}", "loss=0.5123 grad_norm=1.25 learning_rate=5e-05; epoch 1.25"},
		"HuggingFaceWords":   {"{'loss': '0.5123', 'learning_rate': '5e-05', 'epoch': '1.25'}", "loss=0.5123 learning_rate=5e-05; epoch 1.25"},
		"HuggingFaceEval":    {"{'eval_loss': 0.41, 'eval_accuracy': 0.83, 'eval_runtime': 1.2345, 'eval_samples_per_second': 330.4, 'eval_steps_per_second': 41.3, 'epoch': 2.0}", "eval_loss=0.41 eval_accuracy=0.83 eval_samples_per_second=330.4 eval_steps_per_second=41.3; epoch 2"},
		"HuggingFaceBar":     {" 33%|███▎      | 100/300 [00:10<00:20,  9.87it/s]", "; step 100/300"},
		"HuggingFaceEpochs":  {"  Num Epochs = 3", "; of 3 epochs"},
		"XGBoost":            {"[10]\ttrain-rmse:0.12345\teval-rmse:0.23456", "train-rmse=0.12345 eval-rmse=0.23456; step 10"},
		"XGBoostTimed":       {"[10:12:13] [7]\tvalidation-error:0.25", "validation-error=0.25; step 7"},
		"XGBoostCV":          {"[1]\ttrain-logloss:0.42273+0.00728\ttest-logloss:0.57163+0.00604", "train-logloss=0.42273 test-logloss=0.57163; step 1"},
		"LightGBM":           {"[2]\ttraining's auc: 0.926714\tvalid_1's binary_logloss: 0.639316", "training_auc=0.926714 valid_1_binary_logloss=0.639316; step 2"},
		"LightGBMProgram":    {"[LightGBM] [Info] Iteration:10, valid_1 auc : 0.9812", "valid_1_auc=0.9812; step 10"},
		"CatBoost":           {"10:\tlearn: 0.6512\ttest: 0.6601\tbest: 0.6601 (10)\ttotal: 1.2s\tremaining: 10.5s", "learn=0.6512 test=0.6601 best=0.6601; step 10"},
		"Paddle":             {"step  10/938 [..............................] - loss: 0.2143 - acc: 0.9312 - ETA: 12s - 12ms/step", "loss=0.2143 acc=0.9312; step 10/938 of the epoch"},
		"PaddleList":         {"epoch: 0, batch_id: 10, loss is: [0.4312]", "loss=0.4312; epoch 0"},
		"PaddleDetection":    {"[11/25 10:00:00] ppdet.engine INFO: Epoch: [0] [  20/ 125] learning_rate: 0.000333 loss: 5.412 eta: 0:10:10 batch_cost: 0.51 ips: 15.7 images/s", "learning_rate=0.000333 loss=5.412 batch_cost=0.51 ips=15.7; epoch 0, step 20/125 of the epoch"},
		"HeldOut":            {"held-out accuracy: 0.9611", "held-out_accuracy=0.9611;"},
		"JAX":                {"Epoch 4 in 2.34 sec", "; epoch 4"},
		"JAXAccuracy":        {"Training set accuracy 0.9123", "Training_set_accuracy=0.9123;"},
		"Flax":               {"epoch:  1, train_loss: 0.2312, train_accuracy: 93.10, test_loss: 0.1101, test_accuracy: 96.52", "train_loss=0.2312 train_accuracy=93.1 test_loss=0.1101 test_accuracy=96.52; epoch 1"},
		"Estimator":          {"INFO:tensorflow:loss = 0.13201, step = 100 (1.234 sec)", "loss=0.13201; step 100"},
		"EstimatorRate":      {"INFO:tensorflow:global_step/sec: 81.2345", "global_step/sec=81.2345;"},
		"EstimatorEval":      {"INFO:tensorflow:Saving dict for global step 1000: accuracy = 0.97, global_step = 1000, loss = 0.1", "accuracy=0.97 loss=0.1; step 1000"},
		"Glog":               {"I1125 16:22:25.564965  1234 basic_session_run_hooks.cc:260] loss = 0.5, step = 20", "loss=0.5; step 20"},
		"CNNBenchmarks":      {"10\timages/sec: 12.3 +/- 0.1 (jitter = 0.4)\t7.845", "total_loss=7.845 images/sec=12.3; step 10"},
		"CNNBenchmarksTotal": {"total images/sec: 308.27", "total_images/sec=308.27;"},
		"MPI":                {"[1,0]<stdout>:Step #40\tLoss: 0.4123", "Loss=0.4123; step 40"},
		"MXNet":              {"INFO:root:Epoch[2] Batch [20]\tSpeed: 5123.40 samples/sec\taccuracy=0.912500", "Speed=5123.4 accuracy=0.9125; epoch 2"},
		"MXNetEpoch":         {"INFO:root:Epoch[2] Validation-accuracy=0.956000", "Validation-accuracy=0.956; epoch 2"},
		"Megatron":           {" iteration       10/     100 | consumed samples:         80 | elapsed time per iteration (ms): 123.4 | learning rate: 1.000E-04 | lm loss: 9.125E+00 | loss scale: 1.0 | grad norm: 2.312 |", "learning_rate=0.0001 lm_loss=9.125 grad_norm=2.312; step 10/100"},
		"DeepSpeed":          {"[2025-11-25 10:11:12,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[1e-05], mom=[[0.9, 0.999]]", "lr=1e-05; step 10"},
		"nanoGPT":            {"step 250: train loss 2.3123, val loss 2.4321", "train_loss=2.3123 val_loss=2.4321; step 250"},
		"nanoGPTIter":        {"iter 100: loss 2.5123, time 30.12ms, mfu 1.23%", "loss=2.5123; step 100"},
		"Katib":              {"2025-11-25T10:11:12Z INFO     Validation-accuracy=0.98", "Validation-accuracy=0.98;"},
		"JSONLine":           {`{"step": 20, "loss": 0.4123, "lr": 0.001}`, "loss=0.4123 lr=0.001; step 20"},
		"OwnName":            {"my_measure=3", "my_measure=3;"},
		"OwnNameInProse":     {"after a while mean_gap=0.25 was reached", "mean_gap=0.25;"},
		"OwnColon":           {"step 3 mean_gap: 12", "mean_gap=12; step 3"},
		"NotANumber":         {"Epoch 2/3 loss: nan", "loss=NaN; epoch 2/3"},
		"Negative":           {"reward: -12.5", "reward=-12.5;"},
		"Tune":               {"trial 4 finished with score=0.93 after 10 rounds", "score=0.93;"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := said(tc.line); got != tc.want {
				t.Errorf("%q\n gives %q\n want  %q", tc.line, got, tc.want)
			}
		})
	}
}

// said is what a line gives, in words.
func said(line string) string {
	var s Scanner
	var all strings.Builder
	for _, x := range s.Read(time.Unix(1, 0), line) {
		fmt.Fprintf(&all, "%s=%v ", x.Name, x.Value)
	}
	var where []string
	switch p := s.Progress; {
	case p.Epochs > 0 && !p.Known():
		where = append(where, fmt.Sprintf("of %d epochs", p.Epochs))
	case p.Epochs > 0:
		where = append(where, fmt.Sprintf("epoch %v/%d", p.Epoch, p.Epochs))
	case p.FromZero || p.Epoch > 0:
		where = append(where, fmt.Sprintf("epoch %v", p.Epoch))
	}
	if p := s.Progress; p.Step > 0 {
		step := fmt.Sprintf("step %d", p.Step)
		if p.Steps > 0 {
			step += fmt.Sprintf("/%d", p.Steps)
		}
		if p.PerEpoch {
			step += " of the epoch"
		}
		where = append(where, step)
	}
	if all.Len() == 0 && len(where) == 0 {
		return ""
	}
	return strings.TrimSpace(strings.TrimSpace(all.String()) + "; " + strings.Join(where, ", "))
}

// Lines with numbers that measure nothing.
func TestLinesThatYieldNothing(t *testing.T) {
	for _, line := range []string{
		"connecting to 10.0.0.1:2222",
		"Started server with target: grpc://digits-worker-0.default.svc:2222",
		"Listening on port: 8080", "port: 8080", "port=8080 host=0.0.0.0",
		"version=2", "version: 1.9.4", "Python 3.11.2", "tensorflow==2.21.0", "torch version: 2.9.1+cu130", "keras=3.12.0",
		"2025-11-25 10:11:12.123456: I tensorflow/core/platform/cpu_feature_guard.cc:182] This TensorFlow binary is optimized",
		"2025-11-25T10:11:12Z level=info msg=started",
		"I1125 10:11:12.000000  1234 server.cc:12] ready",
		"pid=1234 rank=0 world_size=4 local_rank: 1", "seed: 42", "SEED=42",
		"batch_size: 64", "batch_size=64, epochs_done=, num_workers=4, hidden_dim: 128",
		"Total params: 109,386 (427.29 KB)", "Trainable params: 109386",
		"Downloading data from https://example.org/mnist.npz",
		"11490434/11490434 ━━━━━━━━━━━━━━━━━━━━ 0s", // Keras' download has no step
		"Downloading model.safetensors:  45%|████▌     | 45.0M/100M [00:10<00:12, 4.50MB/s]",
		"model.safetensors: 100%|██████████| 268M/268M [00:03<00:00, 78.2MB/s]",
		"   ━━━━━━━━━━━━━━━━━━━━━━━━ 12.3/45.6 MB 5.2 MB/s eta 0:00:05",
		"Map: 100%|██████████| 3668/3668 [00:00<00:00, 5230.12 examples/s]",
		"Loading checkpoint shards:  50%|█████     | 1/2 [00:01<00:01,  1.20s/it]",
		"Fetching 4 files: 100%|██████████| 4/4 [00:00<00:00, 12.1it/s]",
		"Sanity Checking DataLoader 0: 100%|██████████| 2/2 [00:00<00:00, 9.8it/s]",
		"Validation DataLoader 0:  50%|█████     | 1/2 [00:00<00:00, 9.8it/s]",
		"Progress: 45%", "cpu: 12%", "GPU memory: 1024", "time: 1.23s", "took=1.5s", "elapsed: 12.5", "Elapsed time = 00:01:02",
		"File \"/train/train.py\", line 42, in main", "/train/train.py:42: UserWarning: lr_scheduler was called",
		"Error: 404 not found", "error: 5", "exit code: 1", "errno=111", "retry: 3", "attempt=2",
		"address 0x7f3c2a: 0x12", "at 0x7ffd5e", "[::1]:8080", "localhost:8888",
		"id=3f2504e0-4f89-11d3-9a0c-0305e82c3301",
		"cuda:0", "device=cuda:0", "/job:worker/replica:0/task:0/device:CPU:0",
		"NCCL version 2.21.5+cuda12.4", "[0] NCCL INFO Channel 00/02 : 0 1",
		"WARNING:tensorflow:5 out of the last 5 calls triggered retracing",
		"[LightGBM] [Info] Number of positive: 114, number of negative: 86",
		"[LightGBM] [Info] [binary:BoostFromScore]: pavg=0.570000 -> initscore=0.281851",
		"[LightGBM] [Warning] No further splits with positive gain, best gain: -inf",
		"INFO:     127.0.0.1:51234 - \"GET /v1/models HTTP/1.1\" 200 OK",
		"Saved to s3://digits/model/v1.2.3/model.keras", "http://10.0.0.1:9000?size=3",
		"KeyError: 0", "x: y: z", "====== 12 ======", "1234", "", "3.14",
	} {
		if got := said(line); got != "" {
			t.Errorf("%q gives %q, want nothing", line, got)
		}
	}
}

// Whole logs, as the frameworks printed them: what the scanner has at their end.
func TestRealLogs(t *testing.T) {
	cases := map[string]struct {
		why  string
		want string
	}{
		"keras3":   {"A bar with colours, another fit without a bar, and an evaluation.", "accuracy 9 points, last 0.5469 at 20; loss 9 points, last 0.6688 at 20; val_accuracy 4 points, last 0.5938 at 16; val_loss 4 points, last 0.6498 at 16; epoch 2/2"},
		"keras2":   {"The same of tf-keras, whose bar goes back by backspaces.", "accuracy 8 points, last 0.425 at 20; loss 8 points, last 0.7087 at 20; val_accuracy 4 points, last 0.3906 at 16; val_loss 4 points, last 0.7174 at 16; epoch 2/2"},
		"xgboost":  {"A training of four rounds, and two of cross validation.", "eval-auc 4 points, last 0.8384 at 3; eval-logloss 4 points, last 0.52536 at 3; test-logloss 2 points, last 0.57163 at 1; train-auc 4 points, last 0.99827 at 3; train-logloss 6 points, last 0.42273 at 1; epoch 0/0"},
		"lightgbm": {"Two rounds of four are said.", "training_auc 2 points, last 0.956293 at 4; training_binary_logloss 2 points, last 0.544412 at 4; valid_1_auc 2 points, last 0.8572 at 4; valid_1_binary_logloss 2 points, last 0.592971 at 4; epoch 0/0"},
		"tqdm":     {"A bar with values, and one without.", "acc 6 points, last 0.5 at 5; loss 6 points, last 0.2 at 5; epoch 1/0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", name+".log"))
			if err != nil {
				t.Fatal(err)
			}
			var s Scanner
			all := map[string]*Series{}
			at := time.Unix(0, 0)
			for line := range strings.Lines(string(data)) {
				at = at.Add(time.Second)
				for _, x := range s.Read(at, line) {
					if all[x.Name] == nil {
						all[x.Name] = &Series{}
					}
					all[x.Name].Add(x.Point)
				}
			}
			var got []string
			for _, n := range sorted(all) {
				last := all[n].Last()
				got = append(got, fmt.Sprintf("%s %d points, last %v at %d", n, len(all[n].Points()), last.Value, last.Step))
			}
			got = append(got, fmt.Sprintf("epoch %v/%d", s.Progress.Epoch, s.Progress.Epochs))
			if diff := cmp.Diff(tc.want, strings.Join(got, "; ")); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.why, diff)
			}
		})
	}
}

// A scanner takes no more names than a person can look at.
func TestTooManyNames(t *testing.T) {
	var s Scanner
	var n int
	for i := range 1000 {
		n += len(s.Read(time.Unix(1, 0), fmt.Sprintf("loss_%d: 0.5", i)))
	}
	if n != maxNames {
		t.Errorf("%d names, want %d", n, maxNames)
	}
}

func FuzzScanner(f *testing.F) {
	for _, line := range []string{"Epoch 3/6", "12/60 [==>] - loss: 0.4", "{'loss': nan, 'epoch': 1e400}", "\x1b[31m[10]\ttrain-rmse:0.1", "Accuracy: 1/0", "epoch -1 step 99999999999999999999"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var s Scanner
		for range 2 {
			for _, x := range s.Read(time.Unix(1, 0), line) {
				if x.Name == "" || len(x.Name) > maxName+64 {
					t.Errorf("%q gives the name %q", line, x.Name)
				}
			}
		}
		if done, _ := s.Progress.Done(); done < 0 || done > 1 {
			t.Errorf("%q: %v is done", line, done)
		}
		s.Progress.Left()
		s.Progress.Rate()
	})
}
