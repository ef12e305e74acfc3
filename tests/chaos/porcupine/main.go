// Judges histories of single invoices by porcupine, to be compared with the harness's own verdicts.
//
// Standard input is a JSON list of histories, each a list of steps; standard output is a JSON list of verdicts.
package main

import (
	"encoding/json"
	"log"
	"math"
	"os"

	"github.com/anishathalye/porcupine"
)

// A step is one operation on one invoice. One that is not certain has no end: it may have taken effect, or may yet.
type step struct {
	Kind    string
	Began   int64
	Ended   int64
	Certain bool
	Amount  string // empty for a read that saw no invoice
	Paid    bool
}

type state struct {
	amount string // empty while there is no invoice
	paid   bool
}

// apply is told of a step that is not certain wherever the search puts it: where it has no effect, it never happened.
func apply(before, input, _ interface{}) (bool, interface{}) {
	now, one := before.(state), input.(step)
	there := now.amount != ""
	switch one.Kind {
	case "add":
		if there {
			return !one.Certain, now
		}
		return true, state{amount: one.Amount}
	case "found":
		return now.amount == one.Amount, now
	case "conflict":
		return there && now.amount != one.Amount, now
	case "pay":
		if !there {
			return !one.Certain, now
		}
		return true, state{amount: now.amount, paid: true}
	case "read":
		return now == state{one.Amount, one.Paid}, now
	}
	log.Fatalf("no step is named %q", one.Kind)
	return false, now
}

func main() {
	var histories [][]step
	if err := json.NewDecoder(os.Stdin).Decode(&histories); err != nil {
		log.Fatal(err)
	}
	model := porcupine.Model{Init: func() interface{} { return state{} }, Step: apply}
	verdicts := make([]bool, 0, len(histories))
	for _, history := range histories {
		operations := make([]porcupine.Operation, 0, len(history))
		for client, one := range history {
			ended := one.Ended
			if !one.Certain {
				ended = math.MaxInt64
			}
			operations = append(operations, porcupine.Operation{ClientId: client, Input: one, Call: one.Began, Return: ended})
		}
		verdicts = append(verdicts, porcupine.CheckOperations(model, operations))
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		log.Fatal(err)
	}
}
