// Package avro stands in for github.com/iskorotkov/avro/v2, which cannot be had
// from every Go module proxy. Only daprd's Pulsar registration uses it, to set
// two size limits; Docket's developer tools never talk to Pulsar.
package avro

// Config holds the two limits that daprd sets.
type Config struct{ MaxSliceAllocSize, MaxMapAllocSize int }

// API is a frozen Config.
type API interface{ frozen() }

func (Config) frozen() {}

// Freeze returns the limits as an API.
func (c Config) Freeze() API { return c }

// DefaultConfig is the API that daprd replaces at start.
var DefaultConfig = Config{}.Freeze()
