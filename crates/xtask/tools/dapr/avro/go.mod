// Stand-in for the one module that the Go module proxy does not serve here; see avro.go.
module github.com/iskorotkov/avro/v2

go 1.26
