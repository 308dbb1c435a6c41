package apply_test

import (
	"os"
	"testing"

	"github.com/weir-ml/weir/cluster/clustertest"
)

func TestMain(m *testing.M) { os.Exit(clustertest.Main(m)) }
