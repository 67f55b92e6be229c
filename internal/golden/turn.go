package golden

import (
	"fmt"
	"os"
)

// Turn tells internal/ci/turns.py, which compares benchmarks with their peers, that units of work are done.
func Turn(units int) {
	if os.Getenv("DOCENT_TURNS") != "" {
		fmt.Printf("\nturn %d\n", units) // on a line of its own: the name of the benchmark stands before it
	}
}
