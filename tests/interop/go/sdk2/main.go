// Driver of github.com/aliyun/alibabacloud-oss-go-sdk-v2.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"

	"cipherbucket/interop/lines"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/credentials"
	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss/crypto"
)

type peer struct{}

// kmsCipher is a key in a KMS. The SDK has RSA alone and leaves the rest to programs; this one stores
// what SDK 1 does: the bytes of the ciphertext blob, under the same name for the algorithm.
type kmsCipher struct {
	client      *kms.Client
	id          string
	description string
}

func (c kmsCipher) Encrypt(plain []byte) ([]byte, error) {
	request := kms.CreateEncryptRequest()
	request.Scheme = "https"
	request.KeyId = c.id
	request.Plaintext = base64.StdEncoding.EncodeToString(plain)
	response, err := c.client.Encrypt(request)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(response.CiphertextBlob)
}

func (c kmsCipher) Decrypt(wrapped []byte) ([]byte, error) {
	request := kms.CreateDecryptRequest()
	request.Scheme = "https"
	request.CiphertextBlob = base64.StdEncoding.EncodeToString(wrapped)
	response, err := c.client.Decrypt(request)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(response.Plaintext)
}

func (c kmsCipher) GetWrapAlgorithm() string { return "KMS/ALICLOUD" }

func (c kmsCipher) GetMatDesc() string { return c.description }

func master(c lines.Client, key lines.Key) (crypto.MasterCipher, error) {
	if key.Kms == "" {
		return crypto.CreateMasterRsa(key.Description, key.Public, key.Private)
	}
	client, err := kms.NewClientWithAccessKey(c.Region, c.ID, c.Secret)
	if err != nil {
		return nil, err
	}
	client.Domain = c.Kms
	var description []byte
	if len(key.Description) > 0 {
		if description, err = json.Marshal(key.Description); err != nil {
			return nil, err
		}
	}
	return kmsCipher{client, key.Kms, string(description)}, nil
}

func open(c lines.Client) (*oss.EncryptionClient, error) {
	version := oss.SignatureVersionV1
	if c.Signature == "v4" {
		version = oss.SignatureVersionV4
	}
	config := oss.LoadDefaultConfig().
		WithCredentialsProvider(credentials.NewStaticCredentialsProvider(c.ID, c.Secret)).
		WithRegion(c.Region).
		WithEndpoint(c.Endpoint).
		WithSignatureVersion(version)
	var ciphers []crypto.MasterCipher
	for _, key := range c.Keys {
		cipher, err := master(c, key)
		if err != nil {
			return nil, err
		}
		ciphers = append(ciphers, cipher)
	}
	return oss.NewEncryptionClient(oss.NewClient(config), ciphers[0], func(o *oss.EncryptionClientOptions) {
		o.MasterCiphers = ciphers
	})
}

func (peer) Put(r lines.Request) error {
	client, err := open(r.Client)
	if err != nil {
		return err
	}
	file, err := os.Open(r.File)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = client.PutObject(context.TODO(), &oss.PutObjectRequest{
		Bucket: oss.Ptr(r.Client.Bucket),
		Key:    oss.Ptr(r.Name),
		Body:   file,
	})
	return err
}

func (peer) Multipart(r lines.Request) error {
	client, err := open(r.Client)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(r.File)
	if err != nil {
		return err
	}
	upload, err := client.InitiateMultipartUpload(context.TODO(), &oss.InitiateMultipartUploadRequest{
		Bucket:      oss.Ptr(r.Client.Bucket),
		Key:         oss.Ptr(r.Name),
		CSEDataSize: oss.Ptr(int64(len(data))),
		CSEPartSize: oss.Ptr(r.PartSize),
	})
	if err != nil {
		return err
	}
	var parts []oss.UploadPart
	for start := 0; start < len(data); start += int(r.PartSize) {
		end := start + int(r.PartSize)
		if end > len(data) {
			end = len(data)
		}
		number := int32(len(parts) + 1)
		part, err := client.UploadPart(context.TODO(), &oss.UploadPartRequest{
			Bucket:              oss.Ptr(r.Client.Bucket),
			Key:                 oss.Ptr(r.Name),
			UploadId:            upload.UploadId,
			PartNumber:          number,
			Body:                bytes.NewReader(data[start:end]),
			CSEMultiPartContext: upload.CSEMultiPartContext,
		})
		if err != nil {
			return err
		}
		parts = append(parts, oss.UploadPart{PartNumber: number, ETag: part.ETag})
	}
	_, err = client.CompleteMultipartUpload(context.TODO(), &oss.CompleteMultipartUploadRequest{
		Bucket:                  oss.Ptr(r.Client.Bucket),
		Key:                     oss.Ptr(r.Name),
		UploadId:                upload.UploadId,
		CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts},
	})
	return err
}

func (peer) Get(r lines.Request) ([]byte, error) {
	client, err := open(r.Client)
	if err != nil {
		return nil, err
	}
	request := &oss.GetObjectRequest{Bucket: oss.Ptr(r.Client.Bucket), Key: oss.Ptr(r.Name)}
	if r.Range != "" {
		request.Range = oss.Ptr("bytes=" + r.Range)
	}
	if r.Version != "" {
		request.VersionId = oss.Ptr(r.Version)
	}
	result, err := client.GetObject(context.TODO(), request)
	if err != nil {
		return nil, err
	}
	defer result.Body.Close()
	return io.ReadAll(result.Body)
}

func main() {
	lines.Serve(peer{})
}
