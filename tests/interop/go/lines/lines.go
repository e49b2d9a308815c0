// Package lines answers requests to a driver: one JSON object a line on standard input, one on
// standard output. The Python side (peers.py) is the only caller.
package lines

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

// Key is a master key: PEM texts (X.509 public, PKCS#8 private), or the id of one in a KMS, and its
// description.
type Key struct {
	Public      string            `json:"public"`
	Private     string            `json:"private"`
	Description map[string]string `json:"description"`
	Kms         string            `json:"kms"`
}

// Client is how the store is reached and with which keys; the first key writes, all read.
type Client struct {
	Endpoint  string `json:"endpoint"`
	ID        string `json:"access_key_id"`
	Secret    string `json:"access_key_secret"`
	Region    string `json:"region"`
	Bucket    string `json:"bucket"`
	Signature string `json:"signature"`
	Keys      []Key  `json:"keys"`
	Manager   bool   `json:"manager"`
	Kms       string `json:"kms"`
}

// Request is one thing to do. Ranges are written as in HTTP, without "bytes=".
type Request struct {
	Op       string `json:"op"`
	Client   Client `json:"client"`
	Name     string `json:"name"`
	File     string `json:"file"`
	PartSize int64  `json:"part_size"`
	Range    string `json:"range"`
	Version  string `json:"version"`
}

// Peer does what is asked with one SDK.
type Peer interface {
	Put(request Request) error
	Multipart(request Request) error
	Get(request Request) ([]byte, error)
}

type answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// Serve answers until standard input ends.
func Serve(peer Peer) {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		result := answer{OK: true}
		if err := do(peer, line); err != nil {
			result = answer{Error: err.Error()}
		}
		if err := output.Encode(result); err != nil {
			return
		}
	}
}

// do answers one line; an SDK that panics has failed like any other.
func do(peer Peer, line []byte) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	var request Request
	if err := json.Unmarshal(line, &request); err != nil {
		return err
	}
	switch request.Op {
	case "put":
		return peer.Put(request)
	case "multipart":
		return peer.Multipart(request)
	case "get":
		data, err := peer.Get(request)
		if err != nil {
			return err
		}
		return os.WriteFile(request.File, data, 0o600)
	}
	return fmt.Errorf("unknown op %q", request.Op)
}
