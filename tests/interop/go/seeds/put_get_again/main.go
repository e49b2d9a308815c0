package main

import (
	"bytes"
	"fmt"
	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"github.com/aliyun/aliyun-oss-go-sdk/oss/crypto"
	"io/ioutil"
	"os"
)

func main() {
	// Create an OSSClient instance.
	// Specify the endpoint of the region in which the bucket is located. For example, if the bucket is located in the China (Hangzhou) region, set the endpoint to https://oss-cn-hangzhou.aliyuncs.com. Specify your actual endpoint.
	// The AccessKey pair of an Alibaba Cloud account has permissions on all API operations. Using these credentials to perform operations in OSS is a high-risk operation. We recommend that you use a RAM user to call API operations or perform routine O&M. To create a RAM user, log on to the RAM console.
	client, err := oss.New(os.Getenv("OSS_ENDPOINT"), os.Getenv("OSS_ACCESS_KEY_ID"), os.Getenv("OSS_ACCESS_KEY_SECRET"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	// Specify a description for the CMK. The description cannot be modified after being specified. You can specify only one description for a CMK.
	// If all objects share a CMK, you can leave the description of the CMK empty. In this case, the CMK cannot be replaced.
	// If the description of the CMK is left empty, the client cannot determine which CMK to use for decryption.
	// We recommend that you configure a description that is a JSON string for each CMK and store the mapping relationship between the CMK and the description on the client. The server does not store the mapping relationship.
	// Obtain the mapping relationship based on the CMK description that is a JSON string.
	materialDesc := make(map[string]string)
	materialDesc["desc"] = "your master encrypt key material describe information"
	// Create a CMK object based on the description of the CMK.
	// Set yourRsaPublicKey to the public key of the CMK that you manage, and set yourRsaPrivateKey to the private key of the CMK that you manage.
	masterRsaCipher, err := osscrypto.CreateMasterRsa(materialDesc, os.Getenv("RSA_PUBLIC_KEY"), os.Getenv("RSA_PRIVATE_KEY"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	// Create an encryption operation based on the CMK object and perform encryption in AES CTR mode.
	contentProvider := osscrypto.CreateAesCtrCipher(masterRsaCipher)
	// Obtain an existing bucket to be used for client-side encryption.
	// The bucket for which client-side encryption is configured is used in the same manner in which a common bucket is used.
	cryptoBucket, err := osscrypto.GetCryptoBucket(client, os.Getenv("OSS_BUCKET"), contentProvider)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	// Encryption is automatically performed when you call the PutObject operation.
	err = cryptoBucket.PutObject(os.Getenv("OSS_OBJECT"), bytes.NewReader([]byte("yourObjectValueByteArrary")))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	// Decryption is automatically performed when you call the GetObject operation.
	body, err := cryptoBucket.GetObject(os.Getenv("OSS_OBJECT"))
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	defer body.Close()
	data, err := ioutil.ReadAll(body)
	if err != nil {
		fmt.Println("Error:", err)
		os.Exit(-1)
	}
	fmt.Println("data:", string(data))
}
