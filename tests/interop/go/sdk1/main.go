// Driver of github.com/aliyun/aliyun-oss-go-sdk, with and without a master cipher manager.
package main

import (
	"errors"
	"io"
	"os"

	"cipherbucket/interop/lines"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	osscrypto "github.com/aliyun/aliyun-oss-go-sdk/oss/crypto"
)

type peer struct{}

// manager finds a key by its description, as a program that keeps several keys would.
type manager struct {
	keys []lines.Key
}

func (m manager) GetMasterKey(description map[string]string) ([]string, error) {
	for _, key := range m.keys {
		if same(key.Description, description) {
			return []string{key.Public, key.Private}, nil
		}
	}
	return nil, errors.New("no key of this description")
}

func same(a, b map[string]string) bool {
	for name, value := range a {
		if other, found := b[name]; !found || other != value {
			return false
		}
	}
	return len(a) == len(b)
}

func open(c lines.Client) (*osscrypto.CryptoBucket, error) {
	version := oss.AuthV1
	if c.Signature == "v4" {
		version = oss.AuthV4
	}
	client, err := oss.New(c.Endpoint, c.ID, c.Secret, oss.Region(c.Region), oss.AuthVersion(version))
	if err != nil {
		return nil, err
	}
	cipher, err := master(c, c.Keys[0])
	if err != nil {
		return nil, err
	}
	var options []osscrypto.CryptoBucketOption
	if c.Manager {
		options = append(options, osscrypto.SetMasterCipherManager(manager{c.Keys}))
	}
	return osscrypto.GetCryptoBucket(client, c.Bucket, osscrypto.CreateAesCtrCipher(cipher), options...)
}

func master(c lines.Client, key lines.Key) (osscrypto.MasterCipher, error) {
	if key.Kms == "" {
		return osscrypto.CreateMasterRsa(key.Description, key.Public, key.Private)
	}
	client, err := kms.NewClientWithAccessKey(c.Region, c.ID, c.Secret)
	if err != nil {
		return nil, err
	}
	client.Domain = c.Kms
	return osscrypto.CreateMasterAliKms(key.Description, key.Kms, client)
}

func (peer) Put(r lines.Request) error {
	bucket, err := open(r.Client)
	if err != nil {
		return err
	}
	return bucket.PutObjectFromFile(r.Name, r.File)
}

func (peer) Multipart(r lines.Request) error {
	bucket, err := open(r.Client)
	if err != nil {
		return err
	}
	info, err := os.Stat(r.File)
	if err != nil {
		return err
	}
	context := osscrypto.PartCryptoContext{DataSize: info.Size(), PartSize: r.PartSize}
	upload, err := bucket.InitiateMultipartUpload(r.Name, &context)
	if err != nil {
		return err
	}
	chunks, err := oss.SplitFileByPartSize(r.File, r.PartSize)
	if err != nil {
		return err
	}
	var parts []oss.UploadPart
	for _, chunk := range chunks {
		part, err := bucket.UploadPartFromFile(upload, r.File, chunk.Offset, chunk.Size, chunk.Number, context)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	_, err = bucket.CompleteMultipartUpload(upload, parts)
	return err
}

func (peer) Get(r lines.Request) ([]byte, error) {
	bucket, err := open(r.Client)
	if err != nil {
		return nil, err
	}
	var options []oss.Option
	if r.Range != "" {
		options = append(options, oss.NormalizedRange(r.Range))
	}
	if r.Version != "" {
		options = append(options, oss.VersionId(r.Version))
	}
	body, err := bucket.GetObject(r.Name, options...)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func main() {
	lines.Serve(peer{})
}
