package main

import (
	"fmt"
	"os"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/aliyun/aliyun-oss-go-sdk/oss/crypto"
)

func main() {
	// Create an OssClient instance.
	client, err := oss.New(os.Getenv("OSS_ENDPOINT"), os.Getenv("OSS_ACCESS_KEY_ID"), os.Getenv("OSS_ACCESS_KEY_SECRET"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	// Specify a description for the CMK. The description cannot be modified after being specified. You can specify only one description for a CMK.
	// If all objects share a CMK, you can leave the description of the CMK empty. In this case, the CMK cannot be replaced.
	// If the description of the CMK is empty, the client cannot determine which CMK to use for decryption.
	// We recommend that you configure a description (a JSON string) for each CMK and store the mapping relationship between the CMK and description on the client. The server does not store the relationship.

	// Convert the CMK description (a JSON string) into a mapping relationship.
	materialDesc := make(map[string]string)
	materialDesc["desc"] = "<your master encrypt key material describe information>"

	// Create a CMK object based on the CMK description.
	masterRsaCipher, err := osscrypto.CreateMasterRsa(materialDesc, os.Getenv("RSA_PUBLIC_KEY"), os.Getenv("RSA_PRIVATE_KEY"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	// Create an encryption operation based on the CMK object and perform encryption in AES CTR mode.
	contentProvider := osscrypto.CreateAesCtrCipher(masterRsaCipher)

	// Obtain an existing bucket to be used in client-side encryption.
	// The usage of a bucket used in client-side encryption is similar to that of a common bucket.
	cryptoBucket, err := osscrypto.GetCryptoBucket(client, os.Getenv("OSS_BUCKET"), contentProvider)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	fileName := os.Getenv("LOCAL_FILE")
	fileInfo, err := os.Stat(fileName)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	fileSize := fileInfo.Size()

	// Encrypt the context.
	var cryptoContext osscrypto.PartCryptoContext
	cryptoContext.DataSize = fileSize

	// Specify the expected number of parts. The actual number is based on the calculation result.
	expectPartCount := int64(10)

	// Specify the size of a part encrypted in AES CTR mode, which is an integral multiple of 16 bytes.
	cryptoContext.PartSize = (fileSize / expectPartCount / 16) * 16

	imur, err := cryptoBucket.InitiateMultipartUpload(os.Getenv("OSS_OBJECT"), &cryptoContext)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	chunks, err := oss.SplitFileByPartSize(fileName, cryptoContext.PartSize)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}

	var partsUpload []oss.UploadPart
	for _, chunk := range chunks {
		part, err := cryptoBucket.UploadPartFromFile(imur, fileName, chunk.Offset, chunk.Size, (int)(chunk.Number), cryptoContext)
		if err != nil {
			fmt.Println("Error:", err)
			os.Exit(-1)
		}
		partsUpload = append(partsUpload, part)
	}

	// Complete multipart upload.
	_, err = cryptoBucket.CompleteMultipartUpload(imur, partsUpload)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
}
